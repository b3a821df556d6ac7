"""The routes of the API by what they are about: `session`, `machines`, `history`, `system`.

Handlers are thin: they check what was asked, ask the board, the journal or the desk, and answer in `shapes`.
Who may come in is judged before (`gate`, and the guard in `app`).
"""
