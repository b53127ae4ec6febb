"""Decisions of the control plane: registry, leases, seats, scheduling, back-off. No I/O."""
