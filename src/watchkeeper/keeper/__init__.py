"""The keeper: a tiny program that is the parent of a machine's servers, and outlives the agent that orders them.

One runs per data folder. The agent orders spawns and signals over a unix socket; the keeper forks, records, waits,
and tells how servers have ended, now or to the next agent. It decides nothing: no policy, no restarts, no probes.

    program   how it starts, and the loop: sockets, signals, ends of processes
    ward      one server in its care     launch   what the child does between fork and exec
    record    what is on the disk        living   what the kernel says of a process
    ending    how one has ended          cgroup   limits where they are delegated
    page      how messages and records are written

It runs as ``python -I -S`` on the standard library alone, and imports neither the rest of the house nor anything that
costs memory (no asyncio, json, re, subprocess, enum): it is always there. The agent may import its leaves.
"""

PROTOCOL = 1
"""What keeper and agent speak; a newer agent speaks every older one too."""
