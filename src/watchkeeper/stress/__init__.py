"""How much a server takes, what breaks first, and how it comes back: plans, load, and the record of a run.

`plan` is what an operator writes; `conduct` carries it out, stage by stage, as the pure decider `course` says; `worker`
processes make the load through the leaves of `protocols`; `record` keeps what was seen. Nothing here judges a server beyond
its own objectives: reports stand on the record alone.
"""
