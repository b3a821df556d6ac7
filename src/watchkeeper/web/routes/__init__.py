"""The routes of the API by what they are about: `session`, `machines`, `history`, `system`, `alerts`, `messages`, `stress` …

`acknowledging` is the page behind a link in a message.

Prometheus' API is `questions` (asked of the store) and `scraped` (known beside it); both come in through `asked`.

Handlers are thin: they check what was asked, ask the board, the journal or the desk, and answer in `shapes`.
Who may come in is judged before (`gate`, and the guard in `app`).
"""
