"""One node a module: prime, plane, authentication, streaming."""
