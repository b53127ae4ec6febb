"""TLS among friends: a fresh self-signed certificate; who is behind it is proven by a ticket over it."""

import datetime as dt
import hashlib
import ssl

import msgspec

from hocket.adapters import certificates, tls
from hocket.core.ids import NodeId, Role

DAYS = 365.0
"""Nobody checks the dates: the fingerprint is what both sides sign."""


class PeerIdentity(msgspec.Struct, frozen=True):
    """One side's certificate for as long as it runs. `fingerprint`: SHA-256 of it, raw."""

    node: NodeId
    context: ssl.SSLContext
    fingerprint: bytes


def new_identity(node: NodeId) -> PeerIdentity:
    """A fresh key with its certificate, ready to serve."""
    key_pem = certificates.new_key_pem()
    key = certificates.parse_key(key_pem)
    issuer = certificates.authority_certificate(key)
    now = dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(days=DAYS)
    certificate = certificates.node_certificate(
        Role.LISTENER, node, key.public_key().public_bytes_raw(), now, now + dt.timedelta(days=DAYS), issuer, key
    )
    pem = certificates.pem(certificate)
    context = tls.server_context(tls.Credentials(pem, key_pem, certificates.pem(issuer)))
    context.verify_mode = ssl.CERT_NONE
    return PeerIdentity(node, context, hashlib.sha256(tls.der_of(pem)).digest())


def fingerprint(der: bytes | None) -> bytes:
    """What the other side's proof must be over."""
    return hashlib.sha256(der or b"").digest()
