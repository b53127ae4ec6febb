"""Who is who among friends: a peer is its Ed25519 public key; values are signed in one canonical form."""

import hashlib
from collections.abc import Callable
from typing import NewType

import msgspec

PeerId = NewType("PeerId", str)
"""The first 32 hex digits of the fingerprint of a peer's public key: nobody can take another's."""

GroupId = NewType("GroupId", str)
"""32 hex digits: one session of listening together, from its first host to its last."""

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
PEER_ID_DIGITS = 32
GROUP_ID_RANDOM_BYTES = 16

Sign = Callable[[bytes], bytes]
"""Signs with the caller's private key (Ed25519: 64 bytes)."""

_DOMAIN = b"hocket relay 1\0"


def fingerprint(public_key: bytes) -> str:
    """SHA-256 of a raw public key, 64 hex digits."""
    return hashlib.sha256(public_key).hexdigest()


def peer_id(public_key: bytes) -> PeerId:
    """The id that belongs to a raw public key."""
    return PeerId(fingerprint(public_key)[:PEER_ID_DIGITS])


def group_id(randomness: bytes) -> GroupId:
    """Hex of GROUP_ID_RANDOM_BYTES random bytes."""
    if len(randomness) != GROUP_ID_RANDOM_BYTES:
        raise ValueError(f"a group id takes {GROUP_ID_RANDOM_BYTES} random bytes, not {len(randomness)}")
    return GroupId(randomness.hex())


def canonical(value: msgspec.Struct) -> bytes:
    """The bytes that are signed for a value: its type's name and its fields as a msgpack array.

    The name keeps a signature under one kind of value from passing for another kind.
    """
    return _DOMAIN + type(value).__name__.encode() + b"\0" + msgspec.msgpack.encode(value)


def is_signed_by(public_key: bytes, signature: bytes, value: msgspec.Struct) -> bool:
    """Whether the signature over `canonical(value)` is that key's; False, too, for what is no key at all."""
    # At first use: a program that never checks does not pay for the library.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, canonical(value))
    except (InvalidSignature, ValueError):
        return False
    return True
