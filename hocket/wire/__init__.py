"""The protocol: message declarations, limits, frame codec, hello and permissions. No I/O."""
