"""The Cloud Server and the Cloud Client: a relay through which clients that cannot reach each other exchange messages.

`packets` says what goes over the wire, `keys` and `sealed` who may say it and who may read it; `session` holds the rules of
one connection without any I/O; `relay` joins sessions, `mailbox` keeps what an absent client has not seen, `directory` knows
who offers what. `server` is the program, `client` the library. docs/cloud-protocol.md is the contract for other languages.
Nothing here imports Watchkeeper: the server that it was made to watch stands alone.
"""

__version__ = "0.1.0"
