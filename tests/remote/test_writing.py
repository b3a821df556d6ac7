"""Write requests as bytes: what any sender writes is read, whatever is none is refused with its reason."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigs.writer import message, sample, series
from watchkeeper.errors import Refused
from watchkeeper.model import NAN_BITS, STALE, Block, Series
from watchkeeper.remote.writing import fields, read_request
from watchkeeper.remote.writing import series as read_series
from watchkeeper.store.remotewrite import field, labels, varint, write_request

TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
    st.builds(
        lambda some, times: some * times, st.text(st.characters(codec="utf-8"), min_size=1, max_size=3), st.integers(1, 100)
    ),
)
NAMES = st.text("abcXYZ_", min_size=1, max_size=9).map(lambda name: f"l{name}")


@given(
    st.lists(
        st.tuples(
            st.dictionaries(NAMES, TEXTS, max_size=5),
            st.lists(st.tuples(st.integers(-(1 << 62), 1 << 62), st.floats(allow_nan=False)), min_size=1, max_size=4),
        ),
        max_size=4,
    )
)
def test_what_is_written_is_read(some: list[tuple[dict[str, str], list[tuple[int, float]]]]) -> None:
    """Labels of all lengths, times of all sizes, noughts left out or not."""
    told = [(series("m", **pairs), samples) for pairs, samples in some]
    request = read_request(message(*told))
    assert [read_series(raw) for raw in request.labels] == [one for one, _ in told]
    assert request.counts == [len(samples) for _, samples in told]
    assert request.times == [at for _, samples in told for at, _ in samples]
    assert request.values.tolist() == [value for _, samples in told for _, value in samples]


def test_our_own_requests_are_read() -> None:
    """The other half of this house."""
    times = 1_760_000_000_000 + 1000 * np.arange(5)
    values = np.arange(10.0).reshape(5, 2)
    request = read_request(write_request([Block((Series("a"), Series("b")), times, values)]))
    assert request.times == times.tolist() * 2
    assert request.values.tolist() == values.T.ravel().tolist()


def test_every_nan_but_the_stale_marker_is_prometheus_own() -> None:
    """No sender's bits can be taken for "no value"."""
    odd = [struct.unpack("<d", struct.pack("<Q", bits))[0] for bits in (0x7FF8000000000000, 0xFFF8000000000123)]
    raw = message((series("a"), [(1, odd[0]), (2, odd[1]), (3, STALE)]))
    assert [hex(bits) for bits in read_request(raw).values.view(np.uint64).tolist()] == [hex(NAN_BITS)] * 2 + [
        "0x7ff0000000000002"
    ]


def test_labels_may_stand_behind_samples_and_fields_may_be_unknown() -> None:
    """Protocol buffers know no order, and newer senders say more."""
    one = series("a", path="/" * 200)
    mixed = sample(1_760_000_000_000, 1.5) + field(3, b"an exemplar") + labels(one) + varint(9 << 3) + varint(7)
    request = read_request(field(1, mixed) + field(7, b"unheard of"))
    assert read_series(request.labels[0]) == one
    assert (request.times, request.values.tolist()) == ([1_760_000_000_000], [1.5])


def test_a_short_time_followed_by_another_field_is_not_taken_for_a_long_one() -> None:
    """Sixteen bytes alone do not make the usual sample."""
    inside = b"\x09" + struct.pack("<d", 2.0) + b"\x10" + varint(300) + varint(9 << 3 | 2) + varint(2) + b"xy"
    assert len(inside) == 16
    assert read_request(field(1, labels(series("a")) + field(2, inside))).times == [300]


def test_metadata_and_native_histograms_are_noticed() -> None:
    """Kinds and sentences by metric; a histogram of the new kind is counted and left out."""
    told = field(3, b"\x08\x01" + field(2, b"jobs_total") + field(4, b"Jobs."))
    request = read_request(told + field(1, labels(series("h")) + field(4, b"\x08\x01")))
    assert [(one.name, one.kind, one.help) for one in request.families] == [("jobs_total", "counter", "Jobs.")]
    assert (request.histograms, request.labels) == (1, [])


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\x0a\x05ab", "ends within a field"),
        (b"\x0b", "wire type 3"),
        (b"\x0a" + b"\xff" * 11, "more than ten bytes"),
        (b"\x0a\x80", "ends within a number"),
        (field(1, b"\x0a\x7f"), "within a label"),
        (field(1, labels(series("a")) + field(2, b"\x09\0")), "within a field"),
    ],
)
def test_what_is_no_message_is_refused(raw: bytes, why: str) -> None:
    """With the reason."""
    with pytest.raises(Refused, match=why) as refused:
        read_request(raw)
    assert refused.value.code == "bad-data"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "no name"),
        (labels(Series("1a")), "not a metric's name"),
        (labels(Series("a", (("b-c", "1"),))), "not a label's name"),
        (labels(Series("a", (("b", "1"), ("b", "2")))), "twice"),
        (field(1, field(1, b"__name__") + field(2, b"\xff")), "UTF-8"),
        (labels(Series("a", tuple((f"l{number}", "1") for number in range(129)))), "129 labels"),
        (labels(Series("a", (("b", "x" * 20_000),))), "bytes of labels"),
    ],
)
def test_labels_that_no_series_can_have_are_refused(raw: bytes, why: str) -> None:
    """Names are Prometheus', sizes are bounded."""
    with pytest.raises(Refused, match=why):
        read_series(raw)


def test_an_empty_label_is_none() -> None:
    """As everywhere in Prometheus."""
    assert read_series(labels(Series("a", (("b", ""), ("c", "1"))))) == series("a", c="1")


@given(st.binary(max_size=200))
def test_noise_is_read_or_refused(raw: bytes) -> None:
    """Nothing else comes out of it."""
    refused = ""
    try:
        for found in read_request(raw).labels:
            read_series(found)
        list(fields(raw, 0, len(raw)))
    except Refused as fault:
        refused = fault.code
    assert refused in {"", "bad-data"}
