"""The cluster's certificate authority: one Ed25519 key in the prime's data folder.

It certifies nodes for mutual TLS, and gives auth nodes leave to sign tickets. Whoever holds
`authority.key` is the cluster; its certificate is computed from the key alone, so a lost
`authority.pem` comes back with the same fingerprint.
"""

import datetime as dt
from typing import TYPE_CHECKING

from hocket.adapters import certificates
from hocket.adapters.certificates import CertificateRefused, new_key_pem, parse_key, public_key_of, read_certificate
from hocket.adapters.clocks import SystemClock, random_bytes
from hocket.adapters.datafolder import DataBroken, DataFolder
from hocket.adapters.tls import Credentials, fingerprint
from hocket.auth.keys import SigningKey
from hocket.auth.tickets import Grant, sign_grant
from hocket.core.clock import NS_PER_S, Clock
from hocket.core.ids import NODE_ID_RANDOM_BYTES, NodeId, Role, node_id, role_of
from hocket.core.track import Track
from hocket.relay.chunks import Manifest
from hocket.relay.vouched import vouch

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE = "authority.key"
CERTIFICATE_FILE = "authority.pem"
OPERATOR = "operator"
"""Credentials called NAME are the files NAME.pem and NAME.key."""

NODE_DAYS = 7.0
OPERATOR_DAYS = 3650.0
"""The operator's key lies beside the authority's own: a short life would protect nothing."""


class Authority:
    """Signs for the cluster."""

    def __init__(self, key: "Ed25519PrivateKey", certificate: "x509.Certificate", clock: Clock) -> None:
        self._key = key
        self._certificate = certificate
        self._signing_key = SigningKey(key.private_bytes_raw())
        self._clock = clock
        self.certificate_pem = certificates.pem(certificate)
        self.certificate_der = certificates.der(certificate)

    @classmethod
    def load_or_create(cls, folder: DataFolder, clock: Clock | None = None) -> "Authority":
        """The authority of this data folder, made at the first call.

        Raises DataBroken for files that are damaged, missing in part, or of two authorities: a new one in
        their place would be another cluster, whose fingerprint nobody knows.
        """
        kept_key, kept_certificate = folder.read(KEY_FILE), folder.read(CERTIFICATE_FILE)
        if kept_key is None:
            if kept_certificate is not None:
                raise _broken(folder, KEY_FILE, "is missing")
            kept_key = new_key_pem().encode()
            folder.write(KEY_FILE, kept_key)
        (folder.path / KEY_FILE).chmod(0o600)  # a restored backup may have opened it
        key = _read_key(folder, KEY_FILE, kept_key)
        if kept_certificate is None:
            kept_certificate = certificates.pem(certificates.authority_certificate(key)).encode()
            folder.write(CERTIFICATE_FILE, kept_certificate)
        return cls(key, _read_authority_certificate(folder, key, kept_certificate), clock or SystemClock())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the authority's certificate, 64 hex digits: what listeners know the cluster by."""
        return fingerprint(self.certificate_der)

    @property
    def public_key(self) -> bytes:
        """Raw: what tickets are checked against, anywhere."""
        return self._signing_key.public

    def issue(self, role: Role, node: NodeId, days: float = NODE_DAYS) -> Credentials:
        """A fresh key pair with its certificate."""
        key_pem = new_key_pem()
        return Credentials(self.certify(role, node, public_key_of(key_pem), days), key_pem, self.certificate_pem)

    def certify(self, role: Role, node: NodeId, public_key: bytes, days: float = NODE_DAYS) -> str:
        """A certificate (PEM) for a raw Ed25519 public key whose owner is known. `node` is of this role."""
        if role_of(node) is not role:
            raise ValueError(f"{node} is not of role {role.value}")
        now = dt.datetime.fromtimestamp(self._clock.wall_ns() // NS_PER_S, dt.UTC)
        certificate = certificates.node_certificate(
            role, node, public_key, now, now + dt.timedelta(days=days), self._certificate, self._key
        )
        return certificates.pem(certificate)

    def grant(self, node: NodeId, ticket_key: bytes, expires_ns: int) -> bytes:
        """Leave for an auth node to sign tickets with this key until then, in cluster time."""
        return sign_grant(Grant(node, ticket_key, expires_ns), self._signing_key)

    def vouch(self, track: Track, manifest: Manifest) -> bytes:
        """The cluster's word for a track and its bytes."""
        return vouch(track, manifest, self._key.sign)

    def ensure_operator(self, folder: DataFolder) -> Credentials:
        """The operator's credentials in this folder, made (again) where they are missing, damaged or old."""
        try:
            kept = load_credentials(folder, OPERATOR)
        except DataBroken:
            kept = None
        if kept is not None and self._holds(kept):
            return kept
        fresh = self.issue(Role.OPERATOR, node_id(Role.OPERATOR, random_bytes(NODE_ID_RANDOM_BYTES)), OPERATOR_DAYS)
        save_credentials(folder, OPERATOR, fresh)
        return fresh

    def _holds(self, kept: Credentials) -> bool:
        now_unix_s = self._clock.wall_ns() // NS_PER_S
        return (
            certificates.is_issued_by(kept.certificate, self._certificate)
            and now_unix_s < read_certificate(kept.certificate).renew_unix_s
        )


def save_credentials(folder: DataFolder, name: str, credentials: Credentials) -> None:
    """Keep them as NAME.key and NAME.pem, with the authority's certificate beside them."""
    folder.write(f"{name}.key", credentials.key.encode())
    folder.write(f"{name}.pem", credentials.certificate.encode())
    folder.write(CERTIFICATE_FILE, credentials.authority.encode())


def load_credentials(folder: DataFolder, name: str) -> Credentials | None:
    """What `save_credentials` kept, None where there is nothing. Raises DataBroken for damaged files."""
    key_file, certificate_file = f"{name}.key", f"{name}.pem"
    kept = {file: folder.read(file) for file in (key_file, certificate_file, CERTIFICATE_FILE)}
    if kept[key_file] is None and kept[certificate_file] is None:
        return None
    found = {file: content for file, content in kept.items() if content is not None}
    for file in kept.keys() - found.keys():
        raise _broken(folder, file, "is missing")
    public_key = _read_key(folder, key_file, found[key_file]).public_key().public_bytes_raw()
    certificate = found[certificate_file].decode("ascii", "replace")
    try:
        fits = read_certificate(certificate).public_key == public_key
    except CertificateRefused:
        raise _broken(folder, certificate_file, "is damaged") from None
    if not fits:
        raise _broken(folder, certificate_file, f"does not belong to {key_file}")
    return Credentials(certificate, found[key_file].decode("ascii"), found[CERTIFICATE_FILE].decode("ascii", "replace"))


def _broken(folder: DataFolder, file: str, what: str) -> DataBroken:
    path = folder.path / file
    if file == KEY_FILE:
        return DataBroken(
            f"the cluster's key {path} {what}",
            hint=f"restore it from a backup; to give the cluster up and start a new one delete {KEY_FILE} and "
            f"{CERTIFICATE_FILE}: every listener must then accept the new fingerprint, every machine join again",
        )
    if file == CERTIFICATE_FILE and (folder.path / KEY_FILE).exists():
        return DataBroken(f"{path} {what}", hint=f"if {KEY_FILE} is the right one delete it: the key makes it again")
    return DataBroken(
        f"{path} {what}", hint="restore the folder from a backup, or start the prime or join again to have it made anew"
    )


def _read_key(folder: DataFolder, file: str, pem: bytes) -> "Ed25519PrivateKey":
    try:
        return parse_key(pem.decode("ascii"))
    except ValueError:
        raise _broken(folder, file, "is damaged") from None


def _read_authority_certificate(folder: DataFolder, key: "Ed25519PrivateKey", pem: bytes) -> "x509.Certificate":
    try:
        certificate = certificates.parse(pem)
        public_key = certificates.raw_key(certificate)
    except ValueError:
        raise _broken(folder, CERTIFICATE_FILE, "is damaged") from None
    if public_key != key.public_key().public_bytes_raw():
        raise _broken(folder, CERTIFICATE_FILE, f"does not belong to {KEY_FILE}")
    return certificate
