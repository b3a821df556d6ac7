"""The hub's side of stress runs: which there are, how one goes on, starting and ending one, its files.

`lab` is the table of runs that go on, as they tell of themselves; `launching` starts one as a process of its own; `frames`
are their figures, so that charts and rules know them; `files` is what may be read of a run's folder. Runs are made nowhere
here: the hub must never be able to hold one up, nor one the hub.
"""
