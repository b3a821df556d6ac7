"""Watchkeeper sees, acts, tells and proves: a self-hosted keeper of servers."""

__version__ = "0.1.0"
