"""By everything that Apprise speaks: Telegram, ntfy, Discord, Teams, Matrix, Pushover, SMS gateways and a hundred more.

Apprise waits while it sends, and its plugins are many people's, so each message is handed over by a process of its own
(`apprise_worker`), killed when its time is up. The address, which is full of secrets, goes to it by stdin: it never stands in
a list of processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import msgspec

from watchkeeper.argv import end
from watchkeeper.errors import Failed
from watchkeeper.message import text
from watchkeeper.message.facts import is_resolved, subject
from watchkeeper.outward import NOT_TAKEN, OPERATOR, OPERATOR_PAUSE, NotTaken, Outward, time_zone
from watchkeeper.quantities import Duration, Secret
from watchkeeper.telling import Bulletin

WORKER = Path(__file__).with_name("apprise_worker.py")
ANSWER_BYTES = 64 * 1024
LENGTHS = (3500, 1500, 450, 140)
"""Short forms for services that take no more; the worker chooses the longest that fits."""
PASSED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
"""What the worker inherits: not the secrets that lie in our environment."""


class Said(msgspec.Struct, frozen=True):
    """What the worker says of how it went. `why` is empty on success.

    `usable`: the address could be read. `host`, `port`: whom it spoke to last, where that was HTTP. `connected`: there was a
    connection. `status`: the answer's, 0 for none.
    """

    why: str = ""
    usable: bool = True
    host: str = ""
    port: int = 0
    connected: bool = True
    status: int = 0


class Apprise(Outward, frozen=True, kw_only=True, tag_field="kind", tag="apprise"):
    """``kind = "apprise"``: any service that Apprise knows.

    `url` is its address there (``tgram://TOKEN/CHAT``, ``ntfy://TOPIC``, ``discord://ID/TOKEN``), a secret.
    """

    timeout: Duration = Duration(20)
    url: Secret

    async def send(self, bulletin: Bulletin, key: str) -> str:
        """Hand it over; the receipt is the service's status, where it speaks HTTP."""
        said = await self._ask(self._order(bulletin, key))
        if not said.why:
            return f"HTTP {said.status} from {said.host}" if said.status else "sent"
        place = (said.host, said.port) if said.host and said.port else None
        if not said.usable:
            raise NotTaken(said.why)
        if not said.connected or said.status in NOT_TAKEN:
            raise NotTaken(said.why, pause=OPERATOR_PAUSE if said.status in OPERATOR else 0.0, place=place)
        if said.status in {400, 413, 422}:
            raise Failed(said.why, retry=False)
        raise Failed(said.why)

    async def look(self) -> None:
        """Where to look is known only once an attempt has failed, and the frame looks there itself."""
        raise Failed("nothing is known of where it goes")

    def _order(self, bulletin: Bulletin, key: str) -> bytes:
        zone = time_zone(self.zone)
        forms = [text.whole(bulletin, zone, titled=False), *(text.short(bulletin, zone, most) for most in LENGTHS)]
        kind = {"critical": "failure", "warning": "warning", "info": "info"}[bulletin.severity]
        order = {
            "url": self.url.reveal(),
            "title": subject(bulletin),
            "forms": forms,
            "kind": "success" if is_resolved(bulletin) else kind,
            "key": key,
            "seconds": float(self.timeout),
        }
        return msgspec.json.encode(order)

    async def _ask(self, order: bytes) -> Said:
        """What one worker makes of an order; it does not outlive this call."""
        environment = {name: os.environ[name] for name in PASSED if name in os.environ}
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(WORKER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            start_new_session=os.name == "posix",
        )
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            with contextlib.suppress(ConnectionError):  # it died: its silence tells
                worker.stdin.write(order)
                await worker.stdin.drain()
            worker.stdin.close()
            answer = bytearray()
            while len(answer) <= ANSWER_BYTES and (part := await worker.stdout.read(ANSWER_BYTES)):
                answer += part
        finally:
            _kill(worker)
            await end(worker, with_group=False)
        try:
            return msgspec.json.decode(answer, type=Said)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Failed("the worker died without a word") from None


def _kill(worker: asyncio.subprocess.Process) -> None:
    """End the worker and all that it has started, at once."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(worker.pid, signal.SIGKILL)
        else:
            worker.kill()
