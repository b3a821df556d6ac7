"""The terminal's live view: `feed` hears the hub, `past` remembers a minute, `panes` and `screen` draw.

Who comes in: the verbs `top` and `logs`, and only once they run: Textual and the WebSocket library are heavy.
"""
