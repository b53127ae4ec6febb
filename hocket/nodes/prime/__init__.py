"""The prime: keeps the registry, places listeners, spawns nodes, owns the accounts and the library.

`node` starts and stops the parts and hands every message to the one that answers it: `members` (who is
in the cluster), `nursery` (the prime's own children), `placing` (where a listener logs in and streams),
`accounts`, `shelf` (the music folder) and `desk` (what the operator asks).
"""
