"""An hour of listeners while processes are killed at random: `make soak`. No part of `make test`."""
