"""The link in a message: it shows, and only its button acknowledges; nobody can make one up, bend it or use it for ever."""

from __future__ import annotations

from urllib.parse import urlsplit

from rigs.bulletins import full, numbered
from watchkeeper.links import LIFE
from watchkeeper.notify import Webhook
from watchkeeper.office import OfficeSettings
from watchkeeper.web.settings import WebSettings

OFFICE = OfficeSettings(channel={"ops": Webhook(url="http://127.0.0.1:1/hook")})


async def told(web, thread="i-1"):
    """The path of the link in a message that was just told."""
    (row,) = await web.desk.office.outbox.tell(numbered(1, thread=thread), ["ops"])
    return urlsplit(row.bulletin.links["acknowledge"]).path


async def test_opening_it_changes_nothing_and_the_button_does(make_web) -> None:
    """Scanners that open it any number of times acknowledge nothing; the button does, under the name that one gives."""
    async with make_web(office=OFFICE) as web, web.stranger() as phone:
        path = await told(web)
        for _ in range(3):
            shown = await phone.get(path)
            await phone.head(path)
        assert shown.status_code == 200
        assert "WARNING: Bulletin 1" in shown.text
        assert web.desk.acknowledged == []
        done = await phone.post(path, data={"by": "Anna <b>"}, headers={"origin": web.url})
        assert done.status_code == 200
        assert "Anna &lt;b&gt; (by the link sent to ops)" in done.text
        assert web.desk.acknowledged == [("i-1", "Anna <b> (by the link sent to ops)")]
        entry = (await web.desk.journal.audit.newest())[0]
        assert (entry.what, entry.about) == ("acknowledge", "i-1")
        assert (await phone.post(path, data={})).status_code == 200, "doing it again is harmless"


async def test_its_page_lets_nothing_else_happen(make_web) -> None:
    """No script, nothing from elsewhere, in nobody's frame, kept by no cache."""
    async with make_web(office=OFFICE) as web, web.stranger() as phone:
        headers = (await phone.get(await told(web))).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "script-src" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"


async def test_what_is_no_link_of_ours_is_told_so(make_web) -> None:
    """Made up, bent, cut off, of an unknown incident; and another site's page cannot press the button."""
    async with make_web(office=OFFICE) as web, web.stranger() as phone:
        path = await told(web)
        for wrong in ("/ack/x", path[:-1], path + "A", path.replace(".", ".A"), "/ack/" + "A" * 3000 + ".AAAA"):
            assert (await phone.get(wrong)).status_code == 404, wrong
            assert (await phone.post(wrong, data={})).status_code == 404, wrong
        unknown = urlsplit(web.desk.office.links.acknowledge("nothing", "ops", web.desk.now())).path
        assert (await phone.get(unknown)).status_code == 404
        assert (await phone.post(unknown, data={})).status_code == 404
        old = urlsplit(web.desk.office.links.acknowledge("i-1", "ops", web.desk.now() - LIFE)).path
        assert (await phone.get(old)).status_code == 410
        foreign = await phone.post(path, data={}, headers={"origin": "https://evil.example.org"})
        assert foreign.status_code == 403
        assert (await phone.post(path, json={"by": "x"})).status_code == 415
        assert web.desk.acknowledged == []


async def test_links_begin_with_the_address_that_people_use(make_web) -> None:
    """`[web] url` stands in messages, and its name is let in."""
    async with make_web(WebSettings(url="https://watch.example.org/"), office=OFFICE) as web, web.stranger() as phone:
        (row,) = await web.desk.office.outbox.tell(full(), ["ops"])
        path = urlsplit(web.desk.office.links.acknowledge(row.bulletin.incident, "ops", web.desk.now())).path
        assert web.desk.office.links.page("i").startswith("https://watch.example.org/incidents/")
        assert (await phone.get(path, headers={"host": "watch.example.org"})).status_code == 200
        assert (await phone.get(path, headers={"host": "other.example.org"})).status_code == 421
