"""By e-mail: SMTP with STARTTLS or TLS, plain text and HTML in one mail, a small chart in it, one thread an incident.

The Message-ID is made of the notification's id, so a copy is known as one. All mails of an incident refer to one root, so
that "resolved" lands beside its "firing". Without encryption nothing is sent but to this machine itself, unless `security =
"none"` says so, and a password never.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as MAIL_POLICY
from email.utils import format_datetime, parseaddr
from typing import Annotated, Literal

import aiosmtplib
import msgspec

from watchkeeper.errors import Failed
from watchkeeper.fetch import tls_context
from watchkeeper.message import html, picture, text
from watchkeeper.message.facts import subject
from watchkeeper.outward import OPERATOR_PAUSE, NotTaken, Outward, time_zone
from watchkeeper.quantities import Duration, Secret
from watchkeeper.telling import Bulletin

PORTS = {"starttls": 587, "tls": 465, "none": 25}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ADDRESS = re.compile(r"[^\s@<>,;\"\x00-\x1f]+@[A-Za-z0-9.\[\]:-]+")


class Email(Outward, frozen=True, kw_only=True, tag_field="kind", tag="email"):
    """``kind = "email"``: SMTP to `host`, at `port` or the usual one of its `security`: ``starttls``, ``tls`` or ``none``.

    `sender` and `to` are addresses, also ``Name <a@example.org>``. Certificates are checked against the system's authorities
    and those in the file `ca`; with `verify` false any is taken. `username` and `password` sign in.
    """

    timeout: Duration = Duration(30)
    host: str
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str
    to: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=50)]
    username: str = ""
    password: Secret | None = None
    ca: str = ""
    verify: bool = True

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        super().__post_init__()
        for name, written in (("sender", self.sender), *(("to", one) for one in self.to)):
            if not written.isprintable() or not _ADDRESS.fullmatch(parseaddr(written)[1]):
                raise ValueError(f"{name}: expected an address such as a@example.org, got {written!r}")
        if bool(self.username) != (self.password is not None):
            raise ValueError("username and password go together")
        if self.username and self.security == "none" and self.host not in LOOPBACK:
            raise ValueError('security: a password is not sent without encryption; use "starttls" or "tls"')

    async def send(self, bulletin: Bulletin, key: str) -> str:
        """Hand one mail over; the receipt is what the server said to it (``250 2.0.0 OK: queued as 4BX``)."""
        mail = await asyncio.to_thread(self.mail, bulletin, key)
        password = self.password.reveal() if self.password else None
        client = self._client(password)
        try:
            await self._connect(client)
            try:
                refused, said = await client.send_message(mail)
            except aiosmtplib.SMTPRecipientsRefused as fault:
                told = "; ".join(f"{one.recipient}: {one.code} {one.message}" for one in fault.recipients)
                raise NotTaken(f"no recipient is taken: {told}") from None
            except aiosmtplib.SMTPDataError as fault:
                if fault.code >= 500:
                    raise Failed(f"the mail is refused: {fault.code} {fault.message}", retry=False) from None
                raise NotTaken(f"not now: {fault.code} {fault.message}") from None
            except aiosmtplib.SMTPResponseException as fault:
                raise NotTaken(f"{fault.code} {fault.message}") from None
            except aiosmtplib.SMTPNotSupported as fault:
                raise NotTaken(str(fault)) from None
            except (aiosmtplib.SMTPException, OSError) as fault:
                raise Failed(f"the connection broke: {fault}") from None
            # It is delivered: whatever comes now must not make it look otherwise, so the farewell is not waited for.
            if isinstance(client.transport, asyncio.WriteTransport):
                client.transport.write(b"QUIT\r\n")
            lost = "".join(f"; not taken for {address}: {answer.code} {answer.message}" for address, answer in refused.items())
            return f"250 {said}{lost}"
        finally:
            client.close()

    async def look(self) -> None:
        """Connect and say EHLO."""
        client = self._client(None, greet_only=True)
        try:
            await self._connect(client)
            await client.ehlo()
        except aiosmtplib.SMTPException as fault:
            raise Failed(str(fault)) from None
        finally:
            client.close()

    def mail(self, bulletin: Bulletin, key: str) -> EmailMessage:
        """The whole mail; the same for every attempt."""
        zone = time_zone(self.zone)
        domain = parseaddr(self.sender)[1].rpartition("@")[2]
        root = f"<thread-{hashlib.sha256(bulletin.thread.encode()).hexdigest()[:24]}@{domain}>"
        image = picture.chart(bulletin.trend)
        content_id = f"trend-{key}@{domain}" if image else ""
        mail = EmailMessage(policy=MAIL_POLICY)
        mail["From"] = _address(self.sender)
        mail["To"] = [_address(one) for one in self.to]
        mail["Subject"] = subject(bulletin)
        mail["Date"] = format_datetime(datetime.fromtimestamp(bulletin.at / 1000, UTC))
        mail["Message-ID"] = f"<{key}@{domain}>"
        mail["In-Reply-To"] = root
        mail["References"] = root
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        mail.set_content(text.whole(bulletin, zone))
        mail.add_alternative(html.page(bulletin, zone, content_id, picture.caption(bulletin.trend, zone)), subtype="html")
        if image:
            page = mail.get_payload(1)
            assert isinstance(page, EmailMessage)
            page.add_related(image, "image", "png", cid=f"<{content_id}>", filename="trend.png", disposition="inline")
        return mail

    def _client(self, password: str | None, *, greet_only: bool = False) -> aiosmtplib.SMTP:
        name = socket.gethostname()
        encrypted = self.security != "none"
        try:
            context = tls_context(verify=self.verify, authorities=self.ca) if encrypted and not greet_only else None
        except OSError as fault:
            raise NotTaken(f"the file of `ca` cannot be used: {fault.strerror or fault}") from None
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port or PORTS[self.security],
            username=None if greet_only else self.username or None,
            password=password,
            local_hostname=name if "." in name else parseaddr(self.sender)[1].rpartition("@")[2],
            timeout=float(self.timeout),
            use_tls=self.security == "tls",
            start_tls=self.security == "starttls" and not greet_only,
            validate_certs=self.verify and not greet_only,
            tls_context=context,
        )

    async def _connect(self, client: aiosmtplib.SMTP) -> None:
        """Connect, encrypt and sign in; nothing is handed over yet, so every fault is `NotTaken`."""
        try:
            await client.connect()
        except aiosmtplib.SMTPAuthenticationError as fault:
            raise NotTaken(f"the sign-in is refused: {fault.code} {fault.message}", pause=OPERATOR_PAUSE) from None
        except aiosmtplib.SMTPResponseException as fault:
            raise NotTaken(f"{fault.code} {fault.message}") from None
        except (aiosmtplib.SMTPException, OSError) as fault:
            raise NotTaken(str(fault)) from None


def _address(written: str) -> Address:
    name, address = parseaddr(written)
    return Address(name, addr_spec=address)
