"""From figures to incidents: the room of rules, the judge, and whoever decides who is told.

Rules are read by `rules`, `rulefiles` and `rulebook`; `court` holds them against what comes in, with `source`, `compiling`,
`program` and `docket`; `judge` is the decider. What is told of the outcome, when and to whom, is decided by `suppressing`,
`grouping`, `routing` and `incidents`. All of it is synchronous and takes `now`; the hub's `judging` runs it. `rules/*.toml`
are the stock rules. Nothing here opens a file but a rule file, sends a message or writes a row.
"""
