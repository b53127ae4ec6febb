"""Ed25519 keys that sign for one purpose each (RFC 8032). Pure computation; randomness comes as an argument.

`cryptography` is imported at first use: a program that neither signs nor checks does not pay for it.
"""

from enum import Enum

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64


class Purpose(Enum):
    """Stands before every signed message, so that a signature for one purpose is none for another."""

    GRANT = b"hocket grant 1\n"
    TICKET = b"hocket ticket 1\n"
    POSSESSION = b"hocket possession 1\n"
    FRIEND = b"hocket friend 1\n"


class SigningKey:
    """The private half of a key pair. It prints as its public half only."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        """From SEED_BYTES random bytes, which are all there is to the key: keep them secret."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, purpose: Purpose, message: bytes) -> bytes:
        """SIGNATURE_BYTES bytes."""
        return self._key.sign(purpose.value + message)

    def sign_canonical(self, message: bytes) -> bytes:
        """For messages that begin with a domain of their own, as `hocket.relay.keys.canonical` makes them."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"


def is_signed(public_key: bytes, purpose: Purpose, message: bytes, signature: bytes) -> bool:
    """Whether the owner of this public key signed the message for this purpose. About 0.2 ms."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, purpose.value + message)
    except (InvalidSignature, ValueError):
        return False
    return True
