"""Prometheus' remote write, both ways: `receiver` takes what others send, `sender` hands on what the store has taken.

`writing` reads their messages; what makes them is `store.remotewrite`. The hub alone comes in.
"""
