"""The listener's engine: find, log in, play with failover, host or follow."""
