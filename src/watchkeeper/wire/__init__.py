"""The link between agent and hub: packets, session (sans-I/O) and spool (store and forward)."""
