"""Defaults that a person may change, and why each has the value it has.

Flags, environment and `hocket.toml` are laid over these by `hocket.app`; `helperFunctions.py`
shows them to whoever looks there first.
"""

PRIME = "127.0.0.1:50001"
"""Where a listener or plane looks for the prime, HOST:PORT."""

IP = "127.0.0.1"
"""The address that nodes listen on unless told otherwise: this machine only, until the owner opens it."""

P2PPORT = 25566
"""Where a playing client hosts its friends."""

MAX_LOAD = 6
"""Nodes (authentication and streaming together) that one control node holds at most."""

MAX_USERS = 200
"""Sessions on one authentication node; a session costs a heartbeat every few seconds."""

MAX_STREAMS = 1000
"""Listeners on one streaming node. On TLS a CD stream costs 0.02 to 0.03 % of a core; see benchmarks/streaming.py."""

IDLE_S = 60.0
"""A node with nobody on it retires after this long."""

HEARTBEAT_S = 2.0
"""Between a node's heartbeats to the prime. A process that dies is noticed at once by the end of its connection;
heartbeats are for cables and machines. Nodes beat together at ten moments of this time, and each costs the prime
0.16 ms (benchmarks/heartbeats.py): waking up for each of them cost twice that."""

LEASE_S = 6.0
"""A node that was not heard for this long is suspected, then probed; three heartbeats ride out a hiccup."""

ORPHAN_GRACE_S = 60.0
"""How long nodes serve on without a prime before they end themselves."""

SESSION_HEARTBEAT_S = 5.0
"""Between a listener's heartbeats to its authentication node."""

TICKET_S = 30.0
"""A ticket's life: six heartbeats; also the longest that a banned listener can hear on unheard-of nodes."""

SESSION_GRACE_S = 60.0
"""After its ticket ran out a session may still be resumed for this long at another authentication node."""

SEAT_S = 10.0
"""A reserved seat that nobody took falls free after this."""

REPLICAS = 0
"""Machines that keep each track; 0: every one, so that any of them may go and nothing has to be fetched first."""

SYNC_RATE = 0
"""Bytes per second at which a machine receives copies; 0: as fast as it goes, after those who listen."""

STOP_S = 5.0
"""A program that was told to stop is gone after this long."""

READ_AHEAD_S = 10.0
"""Music that the client keeps ahead of what is heard: covers the loss of a node and of the prime."""
