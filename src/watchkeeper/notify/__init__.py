"""Tell a person, or another program. The door of the channels: one leaf a file, one line here for each.

A leaf hands one message over and says what became of it; `lane.py` is the frame that claims, bounds, repeats and writes down,
one task a channel, `deciding.py` what to do next, `outbox.py` where all messages come in.
"""

from watchkeeper.notify.alertmanager import Alertmanager
from watchkeeper.notify.apprise import Apprise
from watchkeeper.notify.mail import Email
from watchkeeper.notify.slack import Slack
from watchkeeper.notify.webhook import Webhook

Leaf = Email | Webhook | Alertmanager | Slack | Apprise

__all__ = ["Alertmanager", "Apprise", "Email", "Leaf", "Slack", "Webhook"]
