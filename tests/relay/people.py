"""Key pairs for tests: the same name always has the same key."""

import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hocket.relay.keys import PeerId, peer_id


@dataclass
class Person:
    name: str
    private: Ed25519PrivateKey = field(init=False)

    def __post_init__(self) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.name.encode()).digest())

    @property
    def key(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def id(self) -> PeerId:
        return peer_id(self.key)

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)
