"""The one line that lets a machine join: where the prime is, what its cluster's fingerprint is, and a secret.

The machine compares the fingerprint before it sends the secret and its certificate request. The prime
keeps a hash of the secret, until when it holds, and how often it may be used.
"""

import binascii
import hashlib
import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Annotated

import msgspec

from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role, is_spawned, role_of

ID_BYTES = 8
SECRET_BYTES = 16
FINGERPRINT_BYTES = 32
MAX_PRIMES = 8
JOINABLE = frozenset({Role.PLANE, Role.AUTH, Role.FILE})

_FAMILY = "hocket-join-"
_PREFIX = f"{_FAMILY}1."
_LENGTH = struct.Struct(">H")  # of everything after the prefix, itself included
_CHECKSUM = struct.Struct(">I")


class TokenRefused(HocketError):
    """A join token that is no token, damaged, wrong, expired or used up."""

    code = ErrorCode.TOKEN_REFUSED


class JoinToken(msgspec.Struct, frozen=True, array_like=True):
    """What a token says. It prints without its secret; `text` is what is given to a machine."""

    primes: Annotated[tuple[HostPort, ...], msgspec.Meta(min_length=1, max_length=MAX_PRIMES)]
    fingerprint: Annotated[bytes, msgspec.Meta(min_length=FINGERPRINT_BYTES, max_length=FINGERPRINT_BYTES)]
    id: Annotated[bytes, msgspec.Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
    secret: Annotated[bytes, msgspec.Meta(min_length=SECRET_BYTES, max_length=SECRET_BYTES)]

    def text(self) -> str:
        """One word of about 130 characters, fit for a command line."""
        content = msgspec.msgpack.encode(self)
        head = _LENGTH.pack(_LENGTH.size + len(content) + _CHECKSUM.size)
        body = head + content + _CHECKSUM.pack(binascii.crc32(head + content))
        return _PREFIX + urlsafe_b64encode(body).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str) -> "JoinToken":
        """Read a token; line breaks of a copied one do not matter. Raises TokenRefused with what is wrong."""
        word = "".join(text.split())
        if _FAMILY.startswith(word[: len(_FAMILY)]) and len(word) < len(_PREFIX):
            raise _cut_off(len(word), None)
        if not word.startswith(_PREFIX):
            if word.startswith(_FAMILY):
                raise TokenRefused("the join token is of another version", hint="update Hocket on both machines")
            raise TokenRefused(
                f"a join token starts with {_FAMILY}", hint="`controlNODE.py token` on the prime's machine prints one"
            )
        return cls._decode(_body(word[len(_PREFIX) :]))

    @classmethod
    def _decode(cls, body: bytes) -> "JoinToken":
        [length] = _LENGTH.unpack_from(body)
        if len(body) < length:
            raise _cut_off(_chars(len(body)), _chars(length))
        [checksum] = _CHECKSUM.unpack(body[-_CHECKSUM.size :])
        if len(body) > length or checksum != binascii.crc32(body[: -_CHECKSUM.size]):
            raise TokenRefused(
                "the join token was changed on its way", hint="copy it again, from its first to its last character"
            )
        try:
            return msgspec.msgpack.decode(body[_LENGTH.size : -_CHECKSUM.size], type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise TokenRefused("the join token makes no sense", hint="make a new one on the prime's machine") from None

    @property
    def fingerprint_hex(self) -> str:
        """As `hocket://` addresses write it."""
        return self.fingerprint.hex()

    def __repr__(self) -> str:
        return f"JoinToken({self.id.hex()} for {', '.join(map(str, self.primes))})"


class TokenRecord(msgspec.Struct, frozen=True):
    """What the prime keeps of a token."""

    id: str  # hex
    secret_hash: str
    uses: int
    used: int
    expires_unix_s: int


class JoinRequest(msgspec.Struct, frozen=True):
    """A machine that wants in: who it says it is, the key that it proved to hold, and its token."""

    node: NodeId
    public_key: bytes  # raw
    token_id: bytes
    secret: bytes


class JoinedNode(msgspec.Struct, frozen=True):
    """A machine that joined before, by which key and token."""

    node: NodeId
    public_key: bytes
    token_id: str


def new_token(primes: Iterable[HostPort], fingerprint_hex: str, randomness: bytes) -> JoinToken:
    """A token from ID_BYTES + SECRET_BYTES random bytes; of the addresses the first MAX_PRIMES."""
    if len(randomness) != ID_BYTES + SECRET_BYTES:
        raise ValueError(f"a token takes {ID_BYTES + SECRET_BYTES} random bytes, not {len(randomness)}")
    addresses = tuple(primes)[:MAX_PRIMES]
    return JoinToken(addresses, bytes.fromhex(fingerprint_hex), randomness[:ID_BYTES], randomness[ID_BYTES:])


def record_of(token: JoinToken, uses: int, expires_unix_s: int) -> TokenRecord:
    """What the prime keeps: whoever reads it cannot join with it."""
    return TokenRecord(token.id.hex(), hash_secret(token.id, token.secret), uses, 0, expires_unix_s)


def hash_secret(token_id: bytes, secret: bytes) -> str:
    """SHA-256, hex. The secret is random and long: no slow hash is needed."""
    return hashlib.sha256(b"hocket join 1\n" + token_id + secret).hexdigest()


def judge_join(
    asked: JoinRequest, token: TokenRecord | None, known: JoinedNode | None, removed: bool, now_unix_s: int
) -> bool:
    """Whether this join uses the token up by one; not when the same machine asks again for a lost answer.

    `token` is the record with the asked id, `known` what is known of the asked node id, `removed` whether it
    was removed from the cluster. Raises TokenRefused. What is wrong is told only to who knows the secret.
    """
    if token is None:
        raise TokenRefused(
            "the prime does not know this join token",
            hint="it was made by another cluster, or ran out long ago: make a new one with `controlNODE.py token`",
        )
    if not hmac.compare_digest(hash_secret(asked.token_id, asked.secret), token.secret_hash):
        raise TokenRefused("the join token is wrong", hint="make a new one with `controlNODE.py token`")
    if role_of(asked.node) not in JOINABLE:
        raise TokenRefused(f"nobody joins as {asked.node}", hint="planes, authentication and streaming nodes join")
    if known is None and is_spawned(asked.node):
        raise TokenRefused(
            f"{asked.node} is an id of the prime's to give, and not one to join under",
            hint="give this machine a new, empty data folder with --data",
        )
    if removed:
        raise TokenRefused(
            f"{asked.node} was removed from this cluster", hint="give that machine a new, empty data folder with --data"
        )
    if known is not None and known.public_key != asked.public_key:
        raise TokenRefused(
            f"{asked.node} has joined already, with another key",
            hint="a data folder was copied, or its key lost: give that machine a new, empty one with --data",
        )
    if known is not None and known.token_id == token.id:
        return False
    if now_unix_s >= token.expires_unix_s:
        raise TokenRefused(
            f"the join token ran out {_ago(now_unix_s - token.expires_unix_s)} ago",
            hint="make a new one with `controlNODE.py token`; --ttl makes it last longer",
        )
    if token.used >= token.uses:
        times = "once" if token.uses == 1 else f"{token.uses} times"
        raise TokenRefused(
            f"the join token was good for {times}, and is used up",
            hint="make a new one with `controlNODE.py token`; --uses makes it good for several machines",
        )
    return True


def reach_warning(primes: Iterable[HostPort]) -> str:
    """What to change before a token with these addresses works from other machines; "" if nothing."""
    addresses = list(primes)
    if any(not address.is_loopback for address in addresses):
        return ""
    shown = ", ".join(map(str, addresses))
    return (
        f"the prime listens on {shown} only: machines other than this one cannot reach it. "
        f"Start it with --listen 0.0.0.0:{addresses[0].port if addresses else 50001}, then make a new token"
    )


def _body(encoded: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9_-]*", encoded):
        raise TokenRefused("the join token has a character that no token has", hint="copy it again")
    whole = encoded[: len(encoded) - 1] if len(encoded) % 4 == 1 else encoded
    body = urlsafe_b64decode(whole + "=" * (-len(whole) % 4))
    if len(body) < _LENGTH.size + _CHECKSUM.size:
        raise _cut_off(len(_PREFIX) + len(encoded), None)
    return body


def _chars(body_bytes: int) -> int:
    return len(_PREFIX) + (body_bytes * 4 + 2) // 3


def _cut_off(chars: int, of_chars: int | None) -> TokenRefused:
    of = f" of {of_chars}" if of_chars else ""
    return TokenRefused(f"the join token is cut off: {chars}{of} characters", hint="copy it whole, it is one word")


def _ago(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
