"""Handing on: what answers mean, what is sent again, what is left out, and where it goes on after a kill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import h11
import msgspec
import numpy as np
import pytest

from rigs import prometheus
from rigs.desk import until
from rigs.store import BEGIN, Bench, layout_of
from watchkeeper.config import decode_hook, parse
from watchkeeper.errors import ConfigError
from watchkeeper.fetch import Answer
from watchkeeper.hub import read_settings
from watchkeeper.model import Frame, Series
from watchkeeper.quantities import Secret
from watchkeeper.remote import sender as sender_room
from watchkeeper.remote.sender import Sender, parts, pause
from watchkeeper.remote.settings import Target
from watchkeeper.remote.writing import read_request
from watchkeeper.remote.writing import series as read_series
from watchkeeper.store import StoreSettings, snappy
from watchkeeper.store.log import Entry

LAYOUT = layout_of("a", 2)


class Receiving:
    """An HTTP server that answers as told and remembers what it took."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.refuses: set[float] = set()
        self.asked = 0
        self.heads: list[dict[str, str]] = []
        self.taken: list[tuple[str, int, float]] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        connection, body = h11.Connection(h11.SERVER), b""
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                self.heads.append({name.decode(): text.decode() for name, text in event.headers})
            elif isinstance(event, h11.Data):
                body += event.data
        self.asked += 1
        request = read_request(snappy.unpack(body, 1 << 20))
        names = [
            read_series(raw).text() for raw, count in zip(request.labels, request.counts, strict=True) for _ in range(count)
        ]
        told = list(zip(names, request.times, request.values.tolist(), strict=True))
        status = self.answers.pop(0) if self.answers else 204
        if self.refuses & set(request.values.tolist()):
            status = 400
        if status == 204:
            self.taken += told
        writer.write(connection.send(h11.Response(status_code=status, headers=[("content-length", "0")])) or b"")
        writer.close()


@asynccontextmanager
async def receiving(target: Receiving) -> AsyncIterator[None]:
    """Listen while it lasts."""
    server = await asyncio.start_server(target.serve, "127.0.0.1", target.port)
    target.port = server.sockets[0].getsockname()[1]
    yield
    server.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A store; pauses of no length."""
    monkeypatch.setattr(sender_room, "POLL", 0.01)
    monkeypatch.setattr(sender_room, "LONGEST_PAUSE", 0.01)
    one = Bench(tmp_path / "store", StoreSettings())
    one.store.define("a", "10s", LAYOUT)
    yield one
    one.store.close()


def put(bench: Bench, *ticks: int) -> None:
    """A frame each, one commit."""
    bench.store.define("a", "10s", LAYOUT)
    for tick in ticks:
        assert bench.store.take("a", Frame("10s", LAYOUT.id, BEGIN + tick, np.array([tick, np.nan]).tobytes()))
    bench.store.commit_now()


@asynccontextmanager
async def sending(bench: Bench, target: Receiving, **more: object) -> AsyncIterator[Sender]:
    """A sender at work; leaving is a kill."""
    settings = Target(url=f"http://127.0.0.1:{target.port}/write", name="t", **more)  # type: ignore[arg-type]  # any of its fields
    one = Sender(settings, bench.store, bench.folder / "remote", bench.clock.monotonic)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.run())
        yield one
        task.cancel()


def ticks(target: Receiving) -> list[int]:
    """The instants that it took."""
    return [at - BEGIN for _, at, _ in target.taken]


async def test_everything_is_handed_on_with_its_labels(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absent figures are not sent; the token, headers and labels of the target are."""
    monkeypatch.setenv("SECRET", "s3cret")
    target = Receiving()
    more = {"token": {"env": "SECRET"}, "headers": {"X-Scope-OrgID": "we"}, "labels": {"machine": "no", "site": "x"}}
    settings = msgspec.convert({"url": "http://h", **more}, Target, dec_hook=decode_hook)
    async with (
        receiving(target),
        sending(bench, target, token=settings.token, headers=settings.headers, labels=settings.labels),
    ):
        put(bench, 1, 2)
        put(bench, 3)
        await until(lambda: len(target.taken) == 3)
    assert target.taken == [
        (Series("m0", (("machine", "a"), ("site", "x"))).text(), BEGIN + tick, float(tick)) for tick in (1, 2, 3)
    ]
    assert target.heads[0]["authorization"] == "Bearer s3cret"
    assert target.heads[0]["x-scope-orgid"] == "we"
    assert target.heads[0]["x-prometheus-remote-write-version"] == "0.1.0"


@pytest.mark.parametrize("status", [500, 503, 429, 401, 403, 404])
async def test_what_is_not_taken_is_sent_again(bench: Bench, status: int) -> None:
    """Until it is: whether time or an operator must act."""
    target = Receiving()
    target.answers = [status] * 5
    async with receiving(target), sending(bench, target) as sender:
        put(bench, 1)
        put(bench, 2)
        await until(lambda: len(target.taken) == 2)
        await until(lambda: sender.follower.behind == 0)
    assert ticks(target) == [1, 2]
    assert (sender.tally.retries, sender.tally.dropped_samples, sender.trouble) == (5, 0, "")


async def test_what_is_refused_for_its_content_is_left_out_alone(bench: Bench) -> None:
    """One bad frame among thirty: twenty-nine arrive, in order, and one is counted."""
    target = Receiving()
    target.refuses = {17.0}
    async with receiving(target), sending(bench, target) as sender:
        put(bench, *range(30))
        await until(lambda: len(target.taken) == 29)
        await until(lambda: sender.follower.behind == 0)
    assert ticks(target) == [tick for tick in range(30) if tick != 17]
    assert (sender.tally.samples, sender.tally.dropped_samples) == (29, 1)
    assert sender.tally.requests < 15


async def test_nothing_is_lost_while_nobody_answers(bench: Bench) -> None:
    """Frames wait in the log; they go out when the target is there."""
    target = Receiving()
    async with receiving(target):
        pass
    async with sending(bench, target) as sender:
        put(bench, 1, 2)
        await until(lambda: sender.tally.retries > 2)
        assert sender.trouble
        put(bench, 3)
        async with receiving(target):
            await until(lambda: len(target.taken) == 3)
    assert ticks(target) == [1, 2, 3]


async def test_it_goes_on_where_it_was_after_a_kill(bench: Bench) -> None:
    """Nothing between is missed; what was in flight comes twice at most."""
    target = Receiving()
    async with receiving(target):
        async with sending(bench, target):
            put(bench, 1)
            await until(lambda: len(target.taken) == 1)
        put(bench, 2, 3)
        bench.reopen()
        put(bench, 4)
        async with sending(bench, target):
            await until(lambda: {2, 3, 4} <= set(ticks(target)))
    assert ticks(target)[-3:] == [2, 3, 4]


async def test_a_torn_file_sends_the_log_again(bench: Bench) -> None:
    """Twice is better than never."""
    target = Receiving()
    put(bench, 1)
    (bench.folder / "remote").mkdir()
    (bench.folder / "remote" / "t.json").write_bytes(b"")
    async with receiving(target), sending(bench, target):
        await until(lambda: ticks(target) == [1])


async def test_a_secret_that_is_no_header_is_told_without_its_text(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither log nor figures quote it; once it is right, samples go out."""
    monkeypatch.setenv("SECRET", "hid\nden")
    target = Receiving()
    async with receiving(target), sending(bench, target, token=Secret(env="SECRET")) as sender:
        put(bench, 1)
        await until(lambda: sender.trouble)
        assert "hid" not in sender.trouble
        assert "Authorization" in sender.trouble
        monkeypatch.setenv("SECRET", "right")
        await until(lambda: target.taken)


async def test_what_ends_is_told_to_end(bench: Bench) -> None:
    """A series that a frame no longer tells, and all of a stream that is silent for long."""
    target = Receiving()
    async with receiving(target), sending(bench, target):
        for at, values in ((1, (1.0, 2.0)), (2, (1.0, np.nan))):
            assert bench.store.take("a", Frame("10s", LAYOUT.id, BEGIN + at, np.array(values).tobytes()))
        bench.store.commit_now()
        await until(lambda: len(target.taken) == 4)
        bench.clock.advance(61)
        await until(lambda: len(target.taken) == 5)
    stale = [(name.partition("{")[0], at - BEGIN) for name, at, value in target.taken if np.isnan(value)]
    assert stale == [("m1", 2), ("m0", 3)]


async def test_a_real_prometheus_forgets_at_once_what_has_ended(bench: Bench, tmp_path: Path) -> None:
    """No look-back of five minutes; what goes on goes on."""
    if prometheus.PROGRAM is None:
        pytest.skip("prometheus is not installed (on Debian: apt install prometheus): nobody to hand on to")
    with prometheus.Prometheus(tmp_path / "prometheus") as other:
        url = f"http://127.0.0.1:{other.port}/api/v1/write"
        one = Sender(Target(url=url, name="t"), bench.store, bench.folder / "remote", bench.clock.monotonic)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(one.run())
            for at, values in ((0, (1.0, 2.0)), (10_000, (1.0, np.nan))):
                assert bench.store.take("a", Frame("10s", LAYOUT.id, BEGIN + at, np.array(values).tobytes()))
            bench.store.commit_now()
            await until(lambda: one.tally.samples == 4)
            task.cancel()
        found = [
            {one["metric"]["__name__"] for one in other.instant('{machine="a"}', BEGIN + at).data} for at in (9_999, 10_000)
        ]
    assert found == [{"m0", "m1"}, {"m0"}]


def test_pauses_grow_with_chance_in_them_and_heed_what_is_asked() -> None:
    """One second to one minute, half of it by chance; a target may ask for up to five minutes."""
    assert [pause(tries, None, 0.0) for tries in (0, 1, 5, 6, 60)] == [0.5, 1, 16, 30, 30]
    assert [pause(tries, None, 1.0) for tries in (0, 1, 5, 6, 60)] == [1, 2, 32, 60, 60]
    assert pause(0, Answer(429, {"retry-after": "7"}, b"", 0), 0.0) == 7
    assert pause(0, Answer(429, {"retry-after": "86400"}, b"", 0), 0.0) == 300
    assert pause(0, Answer(503, {"retry-after": "Thu, 01 Jan"}, b"", 0), 0.0) == 0.5


def test_requests_are_bounded() -> None:
    """By samples; a frame that has more goes alone."""
    entries = [Entry(1, 1, at, np.zeros(size)) for at, size in enumerate((3, 3, 3, 20, 1))]
    assert [[entry.at for entry in part] for part in parts(entries, 7)] == [[0, 1], [2], [3], [4]]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[remote_write]]\nurl = "ftp://a"', "expected an http"),
        ('[[remote_write]]\nurl = "http://me:pw@a/"', "password"),
        ('[[remote_write]]\nurl = "http://a/"\nheaders = {"Content-Type" = "x"}', "cannot be set"),
        ('[[remote_write]]\nurl = "http://a/"\n[[remote_write]]\nurl = "http://a/"', "two targets"),
        ('[store]\nurl = "http://b"\n[[remote_write]]\nurl = "http://a/"', "kept elsewhere"),
        ('[store]\nurl = "b"', "expected an http"),
    ],
)
def test_what_could_never_work_is_refused(text: str, why: str) -> None:
    """With its place in the file."""
    with pytest.raises(ConfigError, match=why):
        read_settings(parse({"watchkeeper.toml": text}))
