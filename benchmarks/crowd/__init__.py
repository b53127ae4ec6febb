"""Many friends in few processes, for measuring how listening together scales.

`friends` is one such process: real followers, each with a log-in, an address and a line of its own, that
take, check and pass on the music and play it into nowhere. `stage` starts them, a host and a prime on a network.
"""
