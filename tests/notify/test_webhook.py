"""Webhooks: the signature that receivers check, and the body that receivers of Alertmanager's know."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import msgspec
import pytest

from rigs.bulletins import full
from rigs.certificates import made
from rigs.outgoing import kept
from rigs.receivers import Hook
from watchkeeper.errors import ConfigError, Failed
from watchkeeper.message.version4 import body
from watchkeeper.notify import Webhook
from watchkeeper.notify.webhook import signed
from watchkeeper.outward import NotTaken, time_zone

VECTOR = {
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "timestamp": 1614265330,
    "body": b'{"test": 2432232314}',
    "signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
"""The example of the Standard Webhooks libraries' own tests."""


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """Their libraries' vector: whoever uses one of them can check ours."""
    headers = signed(VECTOR["secret"], VECTOR["id"], VECTOR["timestamp"], VECTOR["body"])  # type: ignore[arg-type]  # the published vector, of these types
    assert headers["webhook-signature"] == VECTOR["signature"]
    assert headers["webhook-id"] == VECTOR["id"]
    with pytest.raises(ConfigError, match="not base64"):
        signed("whsec_!!!", "id", 1, b"")


async def test_a_receiver_can_check_what_it_got(tmp_path: Path) -> None:
    """The signature covers id, time and body as they came over the wire."""
    receiver = Hook()
    async with receiver.running():
        channel = Webhook(url=receiver.url, secret=kept(tmp_path, "plain words"), headers={"X-Site": "north"})
        assert await channel.send(full(), "key-1") == "HTTP 200"
    (taken,) = receiver.taken
    assert taken.headers["x-site"] == "north"
    assert taken.key == taken.headers["webhook-id"] == "key-1"
    assert taken.told == body(full(), "watchkeeper", time_zone("UTC"))
    raw = msgspec.json.encode(taken.told)
    wanted = hmac.new(b"plain words", f"key-1.{taken.headers['webhook-timestamp']}.".encode() + raw, hashlib.sha256)
    assert taken.headers["webhook-signature"] == "v1," + base64.b64encode(wanted.digest()).decode()


async def test_tls_is_verified(tmp_path: Path) -> None:
    """A certificate that nobody vouches for gets nothing; one of the file `ca` does."""
    certificate = made(tmp_path, "hook")
    receiver = Hook(certificate.served())
    async with receiver.running():
        with pytest.raises(NotTaken, match="certificate"):
            await Webhook(url=receiver.url).send(full(), "key")
        await Webhook(url=receiver.url, ca=certificate.certificate).send(full(), "key")
        with pytest.raises(Failed, match="cannot connect"):
            await Webhook(url=receiver.url, ca=str(tmp_path / "nowhere.pem")).send(full(), "key")
    assert receiver.keys == ["key"]


async def test_a_look_hands_nothing_over() -> None:
    """It asks for the head alone, and sees a receiver that is away or unavailable as such."""
    receiver = Hook()
    await receiver.up()
    await Webhook(url=receiver.url).look()
    receiver.fault = "unavailable"
    with pytest.raises(Failed, match="503"):
        await Webhook(url=receiver.url).look()
    await receiver.down()
    with pytest.raises(Failed):
        await Webhook(url=receiver.url).look()
    assert (receiver.asked, receiver.heads) == (0, 2)
