"""The server's side of a run, on the run's own clock: what it used, what it said of itself, what was told of it.

While a run goes on, `nearby` reads a target of this machine each second (`sockets`, `threads`, its own pages) and `conduct`
keeps that in the record. At the end `joining` puts it together with what a hub has (`told`): `joined` are the files that
this makes. `saturation` names what was full first, `cost` what a connection and a message cost; both are pure.
"""
