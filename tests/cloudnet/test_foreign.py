"""Clients that are not ours: one on the PyPI package websockets, one in a browser, both with packets made by hand."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path

import msgspec
import nacl.public
import nacl.signing
import pytest
from playwright.async_api import async_playwright

from cloudnet.client import connect
from cloudnet.keys import Identity
from rigs.cloud import cloud
from rigs.stranger import ACCEPTED, ACK, DELIVER, SEND, Stranger, stranger

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
BROWSER = Path(__file__).with_name("browser.js")


def sealed(one: Stranger, to: bytes, name: bytes, text: bytes) -> bytes:
    """A letter as docs/cloud-protocol.md describes it, with PyNaCl and nothing of ours."""
    letter = msgspec.msgpack.encode(["data", time.time_ns() // 1_000_000, text, one.key, False])
    signature = one.signing.sign(b"cloudnet letter 1\n" + one.key + to + name + letter).signature
    box = nacl.public.SealedBox(nacl.signing.VerifyKey(to).to_curve25519_public_key())
    return box.encrypt(msgspec.msgpack.encode([letter, signature]))


def opened(one: Stranger, sender: bytes, name: bytes, body: bytes) -> bytes:
    """The text of a letter, its signature checked."""
    letter, signature = msgspec.msgpack.decode(nacl.public.SealedBox(one.signing.to_curve25519_private_key()).decrypt(body))
    kind, _, text, author, _ = msgspec.msgpack.decode(letter)
    nacl.signing.VerifyKey(author).verify(b"cloudnet letter 1\n" + sender + one.key + name + letter, signature)
    assert (kind, author) == ("data", sender)
    return text


async def test_a_client_on_websockets_talks_to_ours(tmp_path: Path) -> None:
    """Logs in, checks who the server is, is written to and writes, reads what we have sealed and is read by us."""
    bob = Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, bob) as b, stranger(here.url) as one:
        login = one.login()
        await one.say(login)
        _, epoch, resumed, waiting, signature, limits, backups = await one.hear(65)
        _, version, server, nonce, _ = one.challenge
        proved = b"cloudnet welcome 1\n" + server + nonce + one.key + login[2] + epoch
        nacl.signing.VerifyKey(server).verify(proved, signature)
        assert (version, resumed, waiting, backups, len(epoch), len(limits)) == (1, False, 0, [], 16, 7)

        sending = asyncio.create_task(b.send(one.key, b"from ours"))
        _, position, sender, name, _, to, body = await one.hear(DELIVER)
        assert (position, sender, to) == (1, bob.key, one.key)
        assert opened(one, sender, name, body) == b"from ours"
        assert not sending.done()
        await one.say([ACK, 1])
        assert await asyncio.wait_for(sending, 10) == name

        name = os.urandom(16)
        await one.say([SEND, 1, bob.key, name, sealed(one, bob.key, name, b"from another's"), True, 60])
        message = await asyncio.wait_for(anext(b), 10)
        assert (message.body, message.author, message.id) == (b"from another's", one.key, name)
        b.taken()
        assert await one.hear(ACCEPTED) == [ACCEPTED, [1]]


async def test_a_client_in_a_browser_talks_to_itself(tmp_path: Path) -> None:
    """Headless Chromium: WebCrypto signs the login, sixty lines of MessagePack do the rest."""
    if not CHROMIUM:
        pytest.skip("no Chromium is installed here: apt install chromium")
    async with cloud(tmp_path) as here, async_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{here.port}/healthz")
        told = await page.evaluate(f"({BROWSER.read_text(encoding='utf-8')})('{here.url}')")
        await browser.close()
        assert told == {"resumed": False, "delivered": "a letter from a browser", "position": 1, "accepted": [1]}
        assert (await here.figures())["cloud_messages_taken_total"] == 1
