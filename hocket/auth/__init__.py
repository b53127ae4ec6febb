"""Decisions about who may listen: accounts, attempts, sessions, tickets. No I/O."""
