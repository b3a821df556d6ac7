"""E-mail against a real SMTP server: encryption, sign-in, threads, what refusals mean, and that a copy is known as one."""

from __future__ import annotations

import ssl
from email.message import EmailMessage
from pathlib import Path

import pytest

from rigs.bulletins import full
from rigs.certificates import Certificate, made
from rigs.outgoing import at_work, kept
from rigs.receivers import MailServer
from watchkeeper.config import parse
from watchkeeper.errors import ConfigError, Failed
from watchkeeper.fetch import tls_context
from watchkeeper.notify import Email, Leaf
from watchkeeper.outward import NotTaken


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Of the server."""
    return made(tmp_path_factory.mktemp("tls"), "sink")


def channel(server: MailServer, **settings: object) -> Email:
    """To that server, without encryption unless said otherwise."""
    plain = {"security": "none", "sender": "Watchkeeper <watch@example.org>", "to": ("anna@example.org",)}
    return Email(host="127.0.0.1", port=server.port, **plain | settings)  # type: ignore[arg-type]  # any of its fields


async def test_starttls_is_verified(certificate: Certificate) -> None:
    """The mail goes encrypted to a server whose certificate is trusted, and to no other."""
    server = MailServer(certificate.served())
    async with server.running():
        good = channel(server, security="starttls", ca=certificate.certificate)
        assert await good.send(full(), "key-1") == "250 2.0.0 OK: queued as 4BX"
        assert server.encrypted == [True]
        with pytest.raises(NotTaken, match="certificate verify failed"):
            await channel(server, security="starttls").send(full(), "key-2")
        await channel(server, security="starttls", verify=False).send(full(), "key-3")
        assert server.keys == ["key-1", "key-3"]


async def test_no_encryption_is_no_silent_step_down() -> None:
    """A server that does not offer STARTTLS gets nothing, rather than a mail in the clear."""
    server = MailServer()
    async with server.running():
        with pytest.raises(NotTaken):
            await channel(server, security="starttls").send(full(), "key")
        assert server.asked == 0


async def test_implicit_tls(certificate: Certificate) -> None:
    """Encrypted from the first byte."""
    server = MailServer(certificate.served(), implicit=True)
    async with server.running():
        await channel(server, security="tls", ca=certificate.certificate).send(full(), "key")
        assert server.encrypted == [True]


async def test_signing_in(certificate: Certificate, tmp_path: Path) -> None:
    """With the right password the mail is taken; a wrong one is told without its text, and is worth another try."""
    server = MailServer(certificate.served(), password="hunter2-and-more")
    async with server.running():
        secure = {"security": "starttls", "ca": certificate.certificate, "username": "watch"}
        await channel(server, **secure, password=kept(tmp_path, "hunter2-and-more")).send(full(), "key")
        assert server.signed_in == ["watch"]
        with pytest.raises(NotTaken, match="the sign-in is refused: 535") as told:
            await channel(server, **secure, password=kept(tmp_path, "wrong-pass-word")).send(full(), "key")
        assert "wrong-pass-word" not in str(told.value)


async def test_the_mail_holds_everything(tmp_path: Path) -> None:
    """Plain text and HTML, a picture that the HTML names, and headers that keep robots from answering."""
    server = MailServer()
    async with server.running():
        await channel(server, to=("anna@example.org", "Bert Ö <bert@example.org>")).send(full(), "key")
    mail: EmailMessage = server.taken[0].told
    assert mail["Subject"] == "CRITICAL: The disk of alpha fills"
    assert [one.addr_spec for one in mail["To"].addresses] == ["anna@example.org", "bert@example.org"]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "multipart/alternative"
    plain, related = mail.iter_parts()
    assert "/srv of alpha is 93 % full" in plain.get_content()
    page, image = related.iter_parts()
    assert "<script>" not in page.get_content()
    assert image.get_content()[:8] == b"\x89PNG\r\n\x1a\n"
    assert f'src="cid:{image["Content-ID"].strip("<>")}"' in page.get_content()


async def test_a_resolve_lands_in_the_thread_of_its_firing() -> None:
    """Both refer to one root; a copy has the same Message-ID and the same text, another mail another."""
    server = MailServer()
    async with server.running():
        for key, bulletin in (("a", full()), ("a", full()), ("b", full(resolved=True))):
            await channel(server).send(bulletin, key)
    first, copy, over = (one.told for one in server.taken)
    assert first["References"] == first["In-Reply-To"] == over["References"] == over["In-Reply-To"]
    assert first["Message-ID"] == copy["Message-ID"] != over["Message-ID"]
    assert first.as_bytes().partition(b"boundary")[0] == copy.as_bytes().partition(b"boundary")[0]
    assert over["Subject"] == "RESOLVED: The disk of alpha fills"


async def test_what_refusals_mean() -> None:
    """Not now: again. Spam: never. No recipient: perhaps once the address is set right. Some: delivered, and said."""
    server = MailServer()
    async with server.running():
        server.faults = ["before", "refuse"]
        with pytest.raises(NotTaken, match="451"):
            await channel(server).send(full(), "key")
        with pytest.raises(Failed, match="554") as refused:
            await channel(server).send(full(), "key")
        assert refused.value.retry is False
        server.refuses = {"anna@example.org"}
        with pytest.raises(NotTaken, match="no such user") as nobody:
            await channel(server).send(full(), "key")
        assert nobody.value.retry
        receipt = await channel(server, to=("anna@example.org", "bert@example.org")).send(full(), "key")
        assert "not taken for anna@example.org: 550" in receipt
        server.refuses, server.faults = set(), ["cut"]
        with pytest.raises(Failed) as broke:
            await channel(server).send(full(), "key")
        assert not isinstance(broke.value, NotTaken), "it may have been taken"


async def test_through_an_outage_it_arrives_once(tmp_path: Path) -> None:
    """The server is away, then back: the look sees it, and the mail goes out at once."""
    server = MailServer()
    await server.up()
    await server.down()
    async with at_work(tmp_path, {"mail": channel(server)}) as office:
        (row,) = await office.outbox.tell(full(), ["mail"])
        with pytest.raises(Failed):
            await channel(server).look()
        async with server.running():
            (kept_row,) = await office.settled()
    assert server.keys == [row.id]
    assert kept_row.state == "delivered"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('security = "none"\nhost = "mail.example.org"\nusername = "a"\npassword = { env = "P" }', "without encryption"),
        ('host = "h"\nusername = "a"', "username and password go together"),
        ('host = "h"\nto = ["anna"]', "expected an address"),
        ('host = "h"\nto = ["a@b.org\\nBcc: c@d.org"]', "expected an address"),
        ('host = "h"\nto = []', "length"),
        ('host = "h"\ntimeout = "0s"', "100ms to 5m"),
        ('host = "h"\nzone = "Mars/Olympus"', "time zone"),
        ('host = "h"\npassword = "in the clear"', "password"),
    ],
)
def test_mistakes_are_told_where_they_stand(written: str, said: str) -> None:
    """Each with file and line, before anything is sent."""
    text = f'[channel.mail]\nkind = "email"\nsender = "w@example.org"\n{written}\n'
    if "to =" not in written:
        text += 'to = ["a@example.org"]\n'
    document = parse({"w.toml": text})
    with pytest.raises(ConfigError, match=said) as told:
        document.named("channel", Leaf)
    assert told.value.where.startswith("w.toml:")


def test_the_context_is_strict() -> None:
    """What STARTTLS is verified with checks names and chains."""
    context = tls_context(verify=True)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
