"""What figures of a run come to, as pure functions over arrays: nothing here reads a record, looks at a clock or writes.

`chance` says how sure a figure is, `capacity` where knee, ceiling and breaking point lie, `beyond` what it does there, `usl`
fits the universal scalability law or refuses to, `little` checks that throughput, time and what is under way agree, `slope`
tells a leak from noise, and `comparing` says whether a difference is one. Whatever too little was seen for is refused with
a reason, never guessed.
"""
