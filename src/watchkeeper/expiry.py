"""When a certificate ends, read from the certificate itself: also of one that nobody trusts, or that has ended already.

Python's ssl tells the dates of certificates alone that it has verified; those that matter most are not. Pure; RFC 5280, 4.1.
"""

from __future__ import annotations

from datetime import UTC, datetime

UTC_TIME, GENERALIZED_TIME, VERSION = 0x17, 0x18, 0xA0


def ends_at(certificate: bytes) -> float:
    """Unix time of a DER certificate's ``notAfter``; 0 where it cannot be read."""
    try:
        _, whole, _ = _element(certificate)
        _, rest, _ = _element(whole)  # tbsCertificate
        for _ in range(3):  # [version and] serialNumber, signature, issuer; then validity
            tag, _, after = _element(rest)
            rest = _element(after)[2] if tag == VERSION else after
        _, validity, _ = _element(rest)
        _, _, after = _element(validity)
        tag, written, _ = _element(after)
        text = written.decode("ascii")
        if tag == UTC_TIME:  # two digits of the year: 50 and above are of the last century (RFC 5280, 4.1.2.5.1)
            text = ("19" if int(text[:2]) >= 50 else "20") + text
        elif tag != GENERALIZED_TIME:
            return 0.0
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except (IndexError, ValueError):
        return 0.0


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """The first element: its tag, its content, and what comes after it. Raises IndexError and ValueError."""
    tag, length, start = data[0], data[1], 2
    if length & 0x80:
        count = length & 0x7F
        if not 0 < count <= 4:
            raise ValueError("a length that DER does not have here")
        length, start = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    if start + length > len(data):
        raise ValueError("cut off")
    return tag, data[start : start + length], data[start + length :]
