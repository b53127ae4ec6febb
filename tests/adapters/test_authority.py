"""The cluster's key: made once, never by accident again; certificates that TLS accepts, for whom they name."""

import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from hocket.adapters import tls
from hocket.adapters.authority import Authority, load_credentials, save_credentials
from hocket.adapters.certificates import (
    BACKDATED_S,
    CertificateRefused,
    new_key_pem,
    public_key_of,
    read_certificate,
    read_request,
    request_certificate,
)
from hocket.adapters.datafolder import DataBroken, DataFolder
from hocket.auth.accounts import Rights
from hocket.auth.keys import SigningKey
from hocket.auth.tickets import Ticket, sign_ticket, verify_ticket
from hocket.core.clock import NS_PER_S, ManualClock
from hocket.core.errors import ErrorCode
from hocket.core.ids import NodeId, Role, SessionId, UserName

PLANE = NodeId("plane-0123456789ab")
FILE = NodeId("file-0123456789ab")
PRIME = NodeId("prime-0123456789ab")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    with DataFolder.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def authority(folder: DataFolder) -> Authority:
    return Authority.load_or_create(folder)


def test_it_is_made_once_and_kept(folder: DataFolder) -> None:
    made = Authority.load_or_create(folder)
    kept = Authority.load_or_create(folder)
    assert kept.fingerprint == made.fingerprint == tls.fingerprint(tls.der_of(made.certificate_pem))
    assert kept.public_key == made.public_key
    assert len(made.fingerprint) == 64
    assert stat.S_IMODE((folder.path / "authority.key").stat().st_mode) == 0o600


def test_a_key_that_a_backup_opened_is_closed_again(folder: DataFolder) -> None:
    Authority.load_or_create(folder)
    (folder.path / "authority.key").chmod(0o644)
    Authority.load_or_create(folder)
    assert stat.S_IMODE((folder.path / "authority.key").stat().st_mode) == 0o600


def test_another_folder_is_another_cluster(folder: DataFolder, authority: Authority, tmp_path: Path) -> None:
    with DataFolder.open(tmp_path / "other") as other:
        assert Authority.load_or_create(other).fingerprint != authority.fingerprint


def test_a_lost_certificate_comes_back_the_same(folder: DataFolder, authority: Authority) -> None:
    (folder.path / "authority.pem").unlink()
    assert Authority.load_or_create(folder).fingerprint == authority.fingerprint


def test_a_lost_key_is_not_replaced(folder: DataFolder, authority: Authority) -> None:
    (folder.path / "authority.key").unlink()
    with pytest.raises(DataBroken, match=r"authority\.key is missing") as caught:
        Authority.load_or_create(folder)
    assert caught.value.code is ErrorCode.DATA_BROKEN
    assert "backup" in caught.value.hint
    assert not (folder.path / "authority.key").exists()


@pytest.mark.parametrize(
    "damage", [b"", b"garbage\xff", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
@pytest.mark.parametrize("file", ["authority.key", "authority.pem"])
def test_a_damaged_file_is_named_and_left_alone(folder: DataFolder, file: str, damage: bytes) -> None:
    Authority.load_or_create(folder)
    folder.write(file, damage)
    with pytest.raises(DataBroken, match=f"{file} is damaged"):
        Authority.load_or_create(folder)
    assert folder.read(file) == damage


def test_an_encrypted_key_is_not_understood(folder: DataFolder, authority: Authority) -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, PrivateFormat

    key = ed25519.Ed25519PrivateKey.generate()
    folder.write("authority.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    with pytest.raises(DataBroken, match="is damaged"):
        Authority.load_or_create(folder)


def test_files_of_two_clusters_do_not_mix(folder: DataFolder, authority: Authority, tmp_path: Path) -> None:
    with DataFolder.open(tmp_path / "other") as other:
        Authority.load_or_create(other)
        folder.write("authority.pem", other.read("authority.pem") or b"")
    with pytest.raises(DataBroken, match=r"authority\.pem does not belong to authority\.key"):
        Authority.load_or_create(folder)


def test_a_certificate_names_its_node_and_no_other(authority: Authority) -> None:
    credentials = authority.issue(Role.FILE, FILE)
    says = read_certificate(credentials.certificate)
    assert (says.role, says.node, says.public_key) == (Role.FILE, FILE, public_key_of(credentials.key))
    assert read_certificate(tls.der_of(credentials.certificate)) == says
    with pytest.raises(ValueError, match="not of role plane"):
        authority.issue(Role.PLANE, FILE)


def test_a_certificate_bears_clocks_that_are_a_day_off(folder: DataFolder) -> None:
    clock = ManualClock()
    says = read_certificate(Authority.load_or_create(folder, clock).issue(Role.FILE, FILE).certificate)
    now_unix_s = clock.wall_ns() // NS_PER_S
    day_s = 86400
    assert says.from_unix_s == now_unix_s - BACKDATED_S < now_unix_s - day_s
    assert says.until_unix_s == now_unix_s + 7 * day_s
    assert says.renew_unix_s == pytest.approx(now_unix_s + 7 * day_s * 2 / 3, abs=1)


def test_the_authority_does_not_depend_on_the_clock_that_made_it(tmp_path: Path) -> None:
    with DataFolder.open(tmp_path / "data") as folder:
        made = Authority.load_or_create(folder, ManualClock(wall_ns=0))
        certificate = x509.load_der_x509_certificate(made.certificate_der)
        assert certificate.not_valid_before_utc.year == 1970
        assert certificate.not_valid_after_utc.year == 9999


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[object, object]:
    """A real handshake; what either side knows of the other's certificate."""
    left, right = socket.socketpair()
    left.settimeout(10)
    right.settimeout(10)

    def serve() -> object:
        with server.wrap_socket(left, server_side=True) as wrapped:
            certificate = tls.certified(wrapped.getpeercert())
            wrapped.send(b"x")
            return certificate

    with left, right, ThreadPoolExecutor(1) as threads:
        served = threads.submit(serve)
        with client.wrap_socket(right) as wrapped:
            certificate = tls.certified(wrapped.getpeercert())
            wrapped.recv(1)  # in TLS 1.3 a refused client learns it with its first read
            assert wrapped.version() == "TLSv1.3"
        return served.result(10), certificate


def test_two_nodes_recognise_each_other(authority: Authority) -> None:
    prime = tls.server_context(authority.issue(Role.PRIME, PRIME))
    plane = tls.node_client_context(authority.issue(Role.PLANE, PLANE))
    assert handshake(prime, plane) == ((Role.PLANE, PLANE), (Role.PRIME, PRIME))


def test_a_listener_recognises_a_node_and_stays_unknown(authority: Authority) -> None:
    prime = tls.server_context(authority.issue(Role.PRIME, PRIME))
    listener = tls.listener_context(authority.certificate_pem)
    assert handshake(prime, listener) == (None, (Role.PRIME, PRIME))


def test_certificates_of_another_cluster_are_refused_both_ways(authority: Authority, tmp_path: Path) -> None:
    with DataFolder.open(tmp_path / "other") as other_folder:
        other = Authority.load_or_create(other_folder)
    ours, theirs = (issuer.issue(Role.PRIME, PRIME) for issuer in (authority, other))
    with pytest.raises(ssl.SSLError):
        handshake(tls.server_context(theirs), tls.listener_context(authority.certificate_pem))
    stranger = other.issue(Role.PLANE, PLANE)
    intruder = tls.node_client_context(tls.Credentials(stranger.certificate, stranger.key, authority.certificate_pem))
    with pytest.raises(ssl.SSLError):
        handshake(tls.server_context(ours), intruder)


def test_a_certificate_that_ran_out_is_refused(authority: Authority) -> None:
    old = authority.issue(Role.PRIME, PRIME, days=-0.1)
    with pytest.raises(ssl.SSLError, match="expired"):
        handshake(tls.server_context(old), tls.listener_context(authority.certificate_pem))


def test_a_nodes_certificate_cannot_certify_others(authority: Authority) -> None:
    node_key = ed25519.Ed25519PrivateKey.generate()
    pem = authority.certify(Role.PLANE, PLANE, node_key.public_key().public_bytes_raw())
    node = x509.load_pem_x509_certificate(pem.encode())
    from hocket.adapters.certificates import node_certificate
    from hocket.adapters.certificates import pem as as_pem

    key_pem = new_key_pem()
    forged = node_certificate(
        Role.PRIME, PRIME, public_key_of(key_pem), node.not_valid_before_utc, node.not_valid_after_utc, node, node_key
    )
    chain = tls.Credentials(as_pem(forged) + pem, key_pem, authority.certificate_pem)
    with pytest.raises(ssl.SSLError, match="invalid CA certificate"):
        handshake(tls.server_context(chain), tls.listener_context(authority.certificate_pem))


def test_a_request_proves_the_possession_of_its_key(authority: Authority) -> None:
    key_pem = new_key_pem()
    asked = read_request(request_certificate(Role.PLANE, PLANE, key_pem))
    assert (asked.role, asked.node, asked.public_key) == (Role.PLANE, PLANE, public_key_of(key_pem))
    certificate = authority.certify(asked.role, asked.node, asked.public_key)
    plane = tls.node_client_context(tls.Credentials(certificate, key_pem, authority.certificate_pem))
    prime = tls.server_context(authority.issue(Role.PRIME, PRIME))
    assert handshake(prime, plane)[0] == (Role.PLANE, PLANE)


def test_no_changed_byte_makes_a_request_ask_for_something_else() -> None:
    request = request_certificate(Role.PLANE, PLANE, new_key_pem())
    refused = 0
    for position in range(len(request)):
        changed = bytearray(request)
        changed[position] ^= 1
        try:
            assert read_request(bytes(changed)) == read_request(request)
        except CertificateRefused:
            refused += 1
    # One byte may not matter: how many bits of the signature's last byte are unused.
    assert refused >= len(request) - 1


def unusual_requests() -> list[bytes]:
    curve = ec.generate_private_key(ec.SECP256R1())
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([])

    def uris(*texts: str) -> x509.SubjectAlternativeName:
        return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(text) for text in texts])

    blank = x509.CertificateSigningRequestBuilder(name)
    good = f"hocket:plane:{PLANE}"
    return [
        blank.add_extension(uris(good), False).sign(curve, SHA256()).public_bytes(Encoding.DER),
        *(
            builder.sign(key, None).public_bytes(Encoding.DER)
            for builder in (
                blank,
                blank.add_extension(x509.SubjectAlternativeName([x509.DNSName("example.org")]), False),
                blank.add_extension(uris(good, f"hocket:prime:{PRIME}"), False),
                blank.add_extension(uris(f"hocket:prime:{PLANE}"), False),
                blank.add_extension(uris("hocket:guest:guest-0123456789ab"), False),
                blank.add_extension(uris("https://example.org"), False),
                blank.add_extension(uris("hocket:plane:../../x"), False),
            )
        ),
        b"",
        b"garbage",
    ]


@pytest.mark.parametrize("der", unusual_requests())
def test_an_unusual_request_is_refused(der: bytes) -> None:
    with pytest.raises(CertificateRefused) as caught:
        read_request(der)
    assert caught.value.code is ErrorCode.CERTIFICATE_REFUSED


def test_what_is_no_nodes_certificate_is_refused(authority: Authority) -> None:
    for wrong in (b"", b"garbage", "", "garbage", authority.certificate_pem, authority.certificate_der):
        with pytest.raises(CertificateRefused):
            read_certificate(wrong)


def test_a_grant_lets_an_auth_node_sign_tickets(authority: Authority) -> None:
    now_ns = ManualClock().wall_ns()
    auth_key, listener = SigningKey(b"n" * 32), SigningKey(b"l" * 32)
    grant = authority.grant(NodeId("auth-0123456789ab"), auth_key.public, now_ns + 3600 * NS_PER_S)
    ticket = Ticket(
        SessionId("s"), UserName("Anna"), int(Rights.LISTEN), listener.public, now_ns, now_ns + 30 * NS_PER_S
    )
    assert verify_ticket(sign_ticket(ticket, grant, auth_key), authority.public_key, now_ns) == ticket


def test_the_operators_credentials_are_mended(folder: DataFolder, authority: Authority, tmp_path: Path) -> None:
    made = authority.ensure_operator(folder)
    assert read_certificate(made.certificate).role is Role.OPERATOR
    assert authority.ensure_operator(folder) == made == load_credentials(folder, "operator")
    assert stat.S_IMODE((folder.path / "operator.key").stat().st_mode) == 0o600
    for file, content in (("operator.pem", b"garbage"), ("operator.key", new_key_pem().encode())):
        folder.write(file, content)
        assert authority.ensure_operator(folder) == load_credentials(folder, "operator") != made
    with DataFolder.open(tmp_path / "other") as other:
        save_credentials(folder, "operator", Authority.load_or_create(other).ensure_operator(other))
    folder.write("authority.pem", authority.certificate_pem.encode())
    assert authority.ensure_operator(folder).authority == authority.certificate_pem
    server = tls.server_context(authority.issue(Role.PRIME, PRIME))
    client = tls.node_client_context(authority.ensure_operator(folder))
    seen, _ = handshake(server, client)
    assert isinstance(seen, tuple)
    assert seen[0] is Role.OPERATOR


def test_old_credentials_of_the_operator_are_renewed(folder: DataFolder) -> None:
    clock = ManualClock()
    authority = Authority.load_or_create(folder, clock)
    made = authority.ensure_operator(folder)
    clock.advance(3650 * 86400 * 0.9)
    assert authority.ensure_operator(folder) != made


def test_kept_credentials_that_are_damaged_are_named(folder: DataFolder, authority: Authority, tmp_path: Path) -> None:
    with DataFolder.open(tmp_path / "plane") as plane:
        assert load_credentials(plane, "plane") is None
        credentials = authority.issue(Role.PLANE, PLANE)
        save_credentials(plane, "plane", credentials)
        assert load_credentials(plane, "plane") == credentials
        for file, damage, reason in (
            ("plane.key", b"garbage", "is damaged"),
            ("plane.pem", b"garbage", "is damaged"),
            ("plane.key", new_key_pem().encode(), "does not belong to"),
        ):
            save_credentials(plane, "plane", credentials)
            plane.write(file, damage)
            with pytest.raises(DataBroken, match=reason):
                load_credentials(plane, "plane")
        for file in ("plane.key", "plane.pem", "authority.pem"):
            save_credentials(plane, "plane", credentials)
            (plane.path / file).unlink()
            with pytest.raises(DataBroken, match=f"{file} is missing") as caught:
                load_credentials(plane, "plane")
            assert "join again" in caught.value.hint


def test_importing_it_does_not_load_the_certificate_library() -> None:
    script = "import hocket.adapters.authority, sys; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
