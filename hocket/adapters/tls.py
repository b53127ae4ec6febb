"""TLS 1.3 contexts, and whom a certificate names. Light: no certificate library is imported here."""

import contextlib
import hashlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from typing import Any

import msgspec

from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role

SAN_PREFIX = "hocket"


class Credentials(msgspec.Struct, frozen=True):
    """What a node proves itself with, PEM texts. Never logged."""

    certificate: str
    key: str
    authority: str

    def __repr__(self) -> str:
        return "Credentials(…)"


def server_context(own: Credentials) -> ssl.SSLContext:
    """For listening: clients may show a certificate of the cluster, and are believed only with one."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, own)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.num_tickets = 0  # connections live long; resumption would only cost bytes
    return context


def node_client_context(own: Credentials) -> ssl.SSLContext:
    """For a node or operator that connects: shows its certificate, demands the cluster's from the other."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, own)


def reload_context(context: ssl.SSLContext, own: Credentials) -> None:
    """Use fresh credentials in handshakes from now on; connections that are open go on."""
    with _as_file(own.certificate + "\n" + own.key) as path:
        context.load_cert_chain(path)


def listener_context(authority_pem: str) -> ssl.SSLContext:
    """For a listener that knows its cluster: shows nothing, demands the cluster's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _common(context)
    context.load_verify_locations(cadata=authority_pem)
    return context


def stranger_context() -> ssl.SSLContext:
    """For the first contact: nobody is trusted, and nothing secret may be sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _common(context)
    context.verify_mode = ssl.CERT_NONE
    return context


def fingerprint(certificate_der: bytes) -> str:
    """SHA-256 of a certificate, 64 hex digits."""
    return hashlib.sha256(certificate_der).hexdigest()


def pem_of(certificate_der: bytes) -> str:
    return ssl.DER_cert_to_PEM_cert(certificate_der)


def der_of(certificate_pem: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate_pem)


def certified(peer_certificate: dict[str, Any] | None) -> tuple[Role, NodeId] | None:
    """Role and id from `getpeercert()`; None without a certificate. Raises HocketError for a foreign one."""
    if not peer_certificate:
        return None
    for kind, value in peer_certificate.get("subjectAltName", ()):
        prefix, _, rest = value.partition(":")
        role, colon, node = rest.partition(":")
        if kind == "URI" and prefix == SAN_PREFIX and colon and role in set(Role):
            return Role(role), NodeId(node)
    raise HocketError("the certificate names no Hocket node", code=ErrorCode.CERTIFICATE_REFUSED)


def _context(protocol: int, own: Credentials) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    _common(context)
    context.load_verify_locations(cadata=own.authority)
    reload_context(context, own)
    return context


def _common(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # nodes have ids, not host names: the SAN is checked after the handshake


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[str]:
    """OpenSSL loads keys from files only: memory that looks like one, or a private file where that is missing."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("hocket-key", os.MFD_CLOEXEC)
        try:
            os.write(fd, text.encode())
            yield f"/proc/self/fd/{fd}"
        finally:
            os.close(fd)
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(text)
        file.flush()
        yield file.name
