"""Certificates and keys of nodes (X.509, Ed25519): make them, ask for them, read them.

The library behind it takes 0.1 s to load, so it is imported by the function that needs it: a streaming
node never does.
"""

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

import msgspec

from hocket.adapters.clocks import random_bytes
from hocket.adapters.tls import SAN_PREFIX
from hocket.auth.keys import SEED_BYTES
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role, role_of

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

BACKDATED_S = 2 * 86400
"""Certificates hold from this long ago, for machines whose clock is behind. A clock may be ahead by as
much as is left of a certificate's life."""

_CA_FROM = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_CA_UNTIL = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
"""RFC 5280, 4.1.2.5: "no well-defined expiration date". Listeners pin the authority's fingerprint, and a
cluster that was made on a machine with a wrong clock must not end with it."""


class CertificateRefused(HocketError):
    """A certificate, or a request for one, that does not hold."""

    code = ErrorCode.CERTIFICATE_REFUSED


class Certificate(msgspec.Struct, frozen=True):
    """What a node's certificate says."""

    role: Role
    node: NodeId
    public_key: bytes  # raw
    from_unix_s: int
    until_unix_s: int

    @property
    def renew_unix_s(self) -> int:
        """When two thirds of its life are over."""
        return self.until_unix_s - (self.until_unix_s - self.from_unix_s - BACKDATED_S) // 3


class CertificateRequest(msgspec.Struct, frozen=True):
    """Who asks to be certified. Whoever made it holds the private key."""

    role: Role
    node: NodeId
    public_key: bytes  # raw


def new_key_pem() -> str:
    """A fresh Ed25519 private key (PKCS 8, PEM, not encrypted). Keep it secret."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.from_private_bytes(random_bytes(SEED_BYTES))
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_key_of(key_pem: str) -> bytes:
    """The raw public half of a private key. Raises ValueError for what is no Ed25519 key."""
    return parse_key(key_pem).public_key().public_bytes_raw()


def request_certificate(role: Role, node: NodeId, key_pem: str) -> bytes:
    """A request (PKCS 10, DER) to certify this node; it is signed with the key that it is for."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    request = x509.CertificateSigningRequestBuilder(_name(node)).add_extension(_alternative(role, node), False)
    return request.sign(parse_key(key_pem), None).public_bytes(Encoding.DER)


def read_request(der: bytes) -> CertificateRequest:
    """Whom a request wants certified. Raises CertificateRefused unless its maker holds the private key."""
    from cryptography import x509

    try:
        request = x509.load_der_x509_csr(der)
        if not request.is_signature_valid:
            raise CertificateRefused("the certificate request is not signed with the key that it is for")
        return CertificateRequest(*_identity(request.extensions), raw_key(request))
    except _unreadable() as error:
        raise CertificateRefused(f"the certificate request cannot be read: {error}") from None


def read_certificate(certificate: str | bytes) -> Certificate:
    """What a node's certificate says: PEM text or DER bytes. Its signature is not checked; TLS does that.

    Raises CertificateRefused for what is no node's certificate.
    """
    from cryptography import x509

    try:
        read = (
            parse(certificate.encode()) if isinstance(certificate, str) else x509.load_der_x509_certificate(certificate)
        )
        return Certificate(
            *_identity(read.extensions),
            raw_key(read),
            int(read.not_valid_before_utc.timestamp()),
            int(read.not_valid_after_utc.timestamp()),
        )
    except _unreadable() as error:
        raise CertificateRefused(f"the certificate cannot be read: {error}") from None


def is_issued_by(certificate_pem: str, issuer: "x509.Certificate") -> bool:
    """Whether the issuer signed it."""
    from cryptography.exceptions import InvalidSignature

    try:
        parse(certificate_pem.encode()).verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def authority_certificate(key: "Ed25519PrivateKey") -> "x509.Certificate":
    """An authority's own certificate, computed from the key alone: nothing in it depends on when or where."""
    from cryptography import x509

    public_key = key.public_key()
    digest = hashlib.sha256(public_key.public_bytes_raw()).digest()
    name = _name(f"Hocket cluster {digest[:4].hex()}")
    return (
        x509.CertificateBuilder(name, name, public_key, int.from_bytes(digest[:19], "big") + 1, _CA_FROM, _CA_UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(key, None)
    )


def node_certificate(
    role: Role,
    node: NodeId,
    public_key: bytes,
    now: dt.datetime,
    until: dt.datetime,
    issuer: "x509.Certificate",
    issuer_key: "Ed25519PrivateKey",
) -> "x509.Certificate":
    """A certificate for TLS in both directions, from BACKDATED_S ago."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.x509.oid import ExtendedKeyUsageOID

    both_ways = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    return (
        x509.CertificateBuilder(issuer.subject, _name(node), Ed25519PublicKey.from_public_bytes(public_key))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(seconds=BACKDATED_S))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(both_ways, critical=False)
        .add_extension(_alternative(role, node), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, None)
    )


def parse(certificate_pem: bytes) -> "x509.Certificate":
    """Raises ValueError."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(certificate_pem)
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from None


def parse_key(key_pem: str) -> "Ed25519PrivateKey":
    """Raises ValueError for what is no Ed25519 private key in PEM."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(key_pem.encode(), None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")
    return key


def raw_key(holder: "x509.Certificate | x509.CertificateSigningRequest") -> bytes:
    """The public key that a certificate is for. Raises ValueError for a key of another kind."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = holder.public_key()
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key.public_bytes_raw()


def pem(certificate: "x509.Certificate") -> str:
    """As text."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()


def der(certificate: "x509.Certificate") -> bytes:
    """As bytes."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def _unreadable() -> tuple[type[Exception], ...]:
    """What the library raises for bytes that it cannot make sense of."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    return (
        ValueError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    )


def _identity(extensions: "x509.Extensions") -> tuple[Role, NodeId]:
    from cryptography import x509

    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ValueError("it names no Hocket node") from None
    match names.get_values_for_type(x509.UniformResourceIdentifier):
        case [str(uri)]:
            prefix, _, rest = uri.partition(":")
            role, _, node = rest.partition(":")
            if prefix == SAN_PREFIX and role_of(node).value == role:
                return Role(role), NodeId(node)
    raise ValueError("it names no Hocket node")


def _name(text: str) -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(role: Role, node: NodeId) -> "x509.SubjectAlternativeName":
    from cryptography import x509

    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"{SAN_PREFIX}:{role.value}:{node}")])


def _key_usage(*, authority: bool) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
