"""To a chat, in the form of Slack's incoming webhooks, which Mattermost, Rocket.Chat, Zulip and Discord (``…/slack``) take too.

The address is the secret: whoever has it may write into the channel. Attachments, not blocks, since the others know only those.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from watchkeeper.message import text
from watchkeeper.message.facts import facts, is_resolved, subject
from watchkeeper.outward import Outward, look, opened, post, time_zone
from watchkeeper.quantities import Secret
from watchkeeper.telling import Bulletin

COLOURS = {"critical": "#b3261e", "warning": "#a15c00", "info": "#1f5fa8"}
RESOLVED = "#1b6e3c"
MOST_TEXT = 2500
"""Slack shows 3,000 signs at once before it folds them away, and escaping makes some of them longer."""
MOST_LOG = 1500
_MENTION = re.compile(r"@(?=(channel|here|all|everyone)\b)")
_SHORT = frozenset({"Where", "Since", "Value", "Slope"})


class Slack(Outward, frozen=True, kw_only=True, tag_field="kind", tag="slack"):
    """``kind = "slack"``: an incoming webhook of Slack or of what takes its form.

    `url` is its address, a secret. `channel`, `username` and `icon` (``:rotating_light:``) are sent along where they are set;
    Slack itself goes by the webhook's own. `ca` is a file of authorities to trust beside the system's.
    """

    url: Secret
    channel: str = ""
    username: str = ""
    icon: str = ""
    ca: str = ""

    async def send(self, bulletin: Bulletin, key: str) -> str:
        """Hand it over; the receipt is the status."""
        return await post(opened("url", self.url), msgspec.json.encode(self.body(bulletin)), {}, key, self.ca)

    async def look(self) -> None:
        """Ask for the head of the address."""
        await look(opened("url", self.url), {}, self.ca)

    def body(self, bulletin: Bulletin) -> dict[str, Any]:
        """The message."""
        zone = time_zone(self.zone)
        told = facts(bulletin, zone)
        title = subject(bulletin)
        log = "\n".join(line for fact in told if fact.kind == "log" for line in fact.lines)
        words = escape("\n".join(line for fact in told if fact.label in {"What", ""} for line in fact.lines)[:MOST_TEXT])
        links = " · ".join(f"<{escape(fact.lines[0])}|{escape(fact.label)}>" for fact in told if fact.kind == "link")
        if log:
            words += f"\n```{escape(log[-MOST_LOG:])}```"
        attachment = {
            "fallback": text.short(bulletin, zone, 500),
            "color": RESOLVED if is_resolved(bulletin) else COLOURS[bulletin.severity],
            "title": escape(title),
            "text": f"{words}\n{links}" if links else words,
            "fields": [
                {"title": fact.label, "value": escape("\n".join(fact.lines)), "short": fact.label in _SHORT}
                for fact in told
                if fact.kind == "line" and fact.label not in {"What", ""}
            ],
            "ts": bulletin.at // 1000,
            "mrkdwn_in": ["text"],
        }
        if page := bulletin.links.get("page"):
            attachment["title_link"] = page
        extra = {"channel": self.channel, "username": self.username, "icon_emoji": self.icon}
        return {"text": escape(title), "attachments": [attachment]} | {name: word for name, word in extra.items() if word}


def escape(words: str) -> str:
    """Control signs as themselves and mentions cut in two, so that nobody's log line calls a whole channel."""
    words = _MENTION.sub("@\u200b", words)
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
