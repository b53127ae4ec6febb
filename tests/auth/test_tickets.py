"""A ticket holds for its owner, for its time, in its cluster. Nothing else does."""

import subprocess
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.auth.accounts import Rights
from hocket.auth.keys import Purpose, SigningKey, is_signed
from hocket.auth.revocations import KEEP_NS, Revocations
from hocket.auth.tickets import (
    MAX_LIFE_NS,
    RESUME_GRACE_NS,
    Grant,
    Ticket,
    TicketExpired,
    TicketForged,
    TicketRevoked,
    TicketVerifier,
    check_possession,
    possession_proof,
    read_grant,
    sign_grant,
    sign_ticket,
    verify_ticket,
)
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode, TicketRefused
from hocket.core.ids import NodeId, SessionId, UserName
from hocket.wire.hello import NONCE_BYTES
from hocket.wire.limits import MAX_TICKET_BYTES

NOW_NS = 1_700_000_000 * NS_PER_S
AUTHORITY = SigningKey(b"a" * 32)
AUTH_NODE = SigningKey(b"n" * 32)
LISTENER = SigningKey(b"l" * 32)
NODE = NodeId("auth-0123456789ab")
GRANT = Grant(NODE, AUTH_NODE.public, NOW_NS + 3600 * NS_PER_S)
TICKET = Ticket(
    SessionId("5" * 32), UserName("Anna"), int(Rights.LISTEN), LISTENER.public, NOW_NS, NOW_NS + 30 * NS_PER_S
)
GRANT_BLOB = sign_grant(GRANT, AUTHORITY)
BLOB = sign_ticket(TICKET, GRANT_BLOB, AUTH_NODE)
NONCE = bytes(range(NONCE_BYTES))


def verify(blob: bytes = BLOB, now_ns: int = NOW_NS, revoked: Revocations | None = None, grace_ns: int = 0) -> Ticket:
    return verify_ticket(blob, AUTHORITY.public, now_ns, revoked, grace_ns)


def test_a_genuine_ticket_holds_and_says_what_it_says() -> None:
    ticket = verify()
    assert ticket == TICKET
    assert ticket.may(Rights.LISTEN)
    assert not ticket.may(Rights.OPERATE)
    assert len(BLOB) < 500


@settings(max_examples=400)
@given(st.integers(0, len(BLOB) * 8 - 1))
def test_any_flipped_bit_is_refused(bit: int) -> None:
    damaged = bytearray(BLOB)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(TicketForged):
        verify(bytes(damaged))


@given(st.integers(0, len(BLOB) - 1))
def test_any_cut_is_refused(length: int) -> None:
    with pytest.raises(TicketForged, match="damaged or cut off"):
        verify(BLOB[:length])


@given(st.binary(max_size=600))
def test_garbage_is_refused(blob: bytes) -> None:
    with pytest.raises(TicketForged):
        verify(blob)


def test_anything_appended_is_refused() -> None:
    with pytest.raises(TicketForged):
        verify(BLOB + b"\x00")


def test_another_encoding_of_the_same_ticket_is_refused() -> None:
    grant, ticket, signature = msgspec.msgpack.decode(BLOB)
    long_form = b"\x93" + b"".join(b"\xc6" + len(part).to_bytes(4, "big") + part for part in (grant, ticket, signature))
    assert msgspec.msgpack.decode(long_form) == [grant, ticket, signature]
    with pytest.raises(TicketForged):
        verify(long_form)


def test_a_deeply_nested_body_of_a_hostile_auth_node_is_refused() -> None:
    body = msgspec.msgpack.encode(msgspec.structs.astuple(TICKET))
    nested = b"\x97" + body[1:] + b"\x91" * 1300 + b"\xc0"
    blob = msgspec.msgpack.encode([GRANT_BLOB, nested, AUTH_NODE.sign(Purpose.TICKET, nested)])
    with pytest.raises(TicketForged):
        verify(blob)


def test_an_oversize_ticket_is_not_looked_at() -> None:
    with pytest.raises(TicketForged, match="bytes"):
        verify(bytes(MAX_TICKET_BYTES + 1))


def test_it_runs_out_and_says_when() -> None:
    assert verify(now_ns=TICKET.expires_ns) == TICKET
    with pytest.raises(TicketExpired, match=r"ran out 12\.5 s ago") as caught:
        verify(now_ns=TICKET.expires_ns + 12_500_000_000)
    assert caught.value.code is ErrorCode.TICKET_REFUSED
    assert isinstance(caught.value, TicketRefused)


def test_within_grace_it_still_resumes_a_session() -> None:
    assert verify(now_ns=TICKET.expires_ns + RESUME_GRACE_NS, grace_ns=RESUME_GRACE_NS) == TICKET
    with pytest.raises(TicketExpired):
        verify(now_ns=TICKET.expires_ns + RESUME_GRACE_NS + 1, grace_ns=RESUME_GRACE_NS)


def test_an_auth_node_whose_grant_ran_out_may_not_sign() -> None:
    old_grant = sign_grant(Grant(NODE, AUTH_NODE.public, NOW_NS - 3 * NS_PER_S), AUTHORITY)
    with pytest.raises(TicketExpired, match=r"leave of auth-0123456789ab.* ran out 3\.0 s ago"):
        verify(sign_ticket(TICKET, old_grant, AUTH_NODE))


def test_a_node_with_a_clock_far_ahead_makes_no_lasting_tickets() -> None:
    lasting = msgspec.structs.replace(TICKET, expires_ns=NOW_NS + MAX_LIFE_NS + NS_PER_S)
    grant = sign_grant(Grant(NODE, AUTH_NODE.public, 2 * lasting.expires_ns), AUTHORITY)
    with pytest.raises(TicketForged, match="check the clock"):
        verify(sign_ticket(lasting, grant, AUTH_NODE))


def test_a_grant_of_another_cluster_is_refused() -> None:
    foreign = sign_grant(GRANT, SigningKey(b"f" * 32))
    with pytest.raises(TicketForged, match="not by this cluster"):
        verify(sign_ticket(TICKET, foreign, AUTH_NODE))
    with pytest.raises(TicketForged, match="not by this cluster"):
        read_grant(foreign, AUTHORITY.public)
    with pytest.raises(TicketForged, match="cut off"):
        read_grant(b"nothing", AUTHORITY.public)
    assert read_grant(GRANT_BLOB, AUTHORITY.public) == GRANT


def test_a_genuine_grant_does_not_let_others_sign() -> None:
    with pytest.raises(TicketForged, match="forged"):
        verify(sign_ticket(TICKET, GRANT_BLOB, SigningKey(b"m" * 32)))


def test_a_signature_for_one_purpose_is_none_for_another() -> None:
    for made in Purpose:
        signature = AUTH_NODE.sign(made, b"message")
        for asked in Purpose:
            assert is_signed(AUTH_NODE.public, asked, b"message", signature) == (made is asked)


def test_keys_that_are_none_sign_nothing() -> None:
    assert not is_signed(b"short", Purpose.TICKET, b"", bytes(64))
    assert not is_signed(AUTH_NODE.public, Purpose.TICKET, b"", b"short")


def test_a_key_never_prints_its_secret() -> None:
    assert (b"n" * 32).hex() not in repr(AUTH_NODE)
    assert AUTH_NODE.public.hex() in repr(AUTH_NODE)


def test_only_the_owner_can_show_a_ticket() -> None:
    proof = possession_proof(LISTENER, NONCE, NODE)
    check_possession(TICKET, NONCE, NODE, proof)
    thief = possession_proof(SigningKey(b"t" * 32), NONCE, NODE)
    for ticket, nonce, node, shown in [
        (TICKET, NONCE, NODE, thief),
        (TICKET, NONCE[::-1], NODE, proof),
        (TICKET, NONCE, NodeId("file-0123456789ab"), proof),
        (TICKET, NONCE, NODE, b""),
        (msgspec.structs.replace(TICKET, session_key=AUTH_NODE.public), NONCE, NODE, proof),
    ]:
        with pytest.raises(TicketForged, match="does not hold its session's key"):
            check_possession(ticket, nonce, node, shown)


@given(st.integers(0, 64 * 8 - 1))
def test_any_flipped_bit_of_a_proof_is_refused(bit: int) -> None:
    proof = bytearray(possession_proof(LISTENER, NONCE, NODE))
    proof[bit // 8] ^= 1 << bit % 8
    with pytest.raises(TicketForged):
        check_possession(TICKET, NONCE, NODE, bytes(proof))


def test_a_nonce_has_one_length() -> None:
    with pytest.raises(ValueError, match="a nonce has"):
        possession_proof(LISTENER, b"", NODE)


def test_a_verifier_remembers_genuine_grants_only_and_not_too_many() -> None:
    verifier = TicketVerifier(AUTHORITY.public, max_grants=3)
    for number in range(10):
        grant = sign_grant(Grant(NodeId(f"auth-{number}"), AUTH_NODE.public, GRANT.expires_ns), AUTHORITY)
        assert verifier.verify(sign_ticket(TICKET, grant, AUTH_NODE), NOW_NS) == TICKET
        with pytest.raises(TicketForged):
            verifier.verify(sign_ticket(TICKET, grant + b"\x00", AUTH_NODE), NOW_NS)
    assert len(verifier) == 3


def test_a_remembered_grant_runs_out_all_the_same() -> None:
    verifier = TicketVerifier(AUTHORITY.public)
    short = sign_grant(Grant(NODE, AUTH_NODE.public, NOW_NS + NS_PER_S), AUTHORITY)
    blob = sign_ticket(TICKET, short, AUTH_NODE)
    verifier.verify(blob, NOW_NS)
    with pytest.raises(TicketExpired, match="leave of"):
        verifier.verify(blob, NOW_NS + 2 * NS_PER_S)


def test_ended_sessions_are_refused_at_once_and_forgotten_in_time() -> None:
    revoked = Revocations()
    verify(revoked=revoked)
    revoked.end_session(TICKET.session, NOW_NS)
    with pytest.raises(TicketRevoked, match="session was ended"):
        verify(revoked=revoked)
    with pytest.raises(TicketRevoked):
        verify(now_ns=TICKET.expires_ns + RESUME_GRACE_NS, grace_ns=RESUME_GRACE_NS, revoked=revoked)
    revoked.end_session(SessionId("other"), NOW_NS + KEEP_NS + 1)
    assert len(revoked) == 1


def test_an_ended_session_is_remembered_for_as_long_as_this_clusters_tickets_live() -> None:
    revoked = Revocations.lasting(ticket_s=600.0, grace_s=60.0)
    revoked.end_session(TICKET.session, NOW_NS)
    revoked.end_session(SessionId("other"), NOW_NS + 600 * NS_PER_S)
    assert revoked.covers_ticket(TICKET.session, TICKET.user, NOW_NS)
    assert revoked.sessions == {TICKET.session: NOW_NS, SessionId("other"): NOW_NS + 600 * NS_PER_S}
    revoked.prune(NOW_NS + 661 * NS_PER_S)
    assert not revoked.covers_ticket(TICKET.session, TICKET.user, NOW_NS)


def test_what_is_told_again_does_not_undo_what_is_newer() -> None:
    revoked = Revocations()
    revoked.end_user(TICKET.user, NOW_NS + 5)
    revoked.end_user(TICKET.user, NOW_NS)
    assert revoked.users == {TICKET.user: NOW_NS + 5}


def test_a_ban_covers_tickets_from_before_it_and_not_the_next_log_in() -> None:
    revoked = Revocations()
    revoked.end_user(TICKET.user, NOW_NS)
    with pytest.raises(TicketRevoked):
        verify(revoked=revoked)
    later = msgspec.structs.replace(TICKET, issued_ns=NOW_NS + 1)
    assert verify(sign_ticket(later, GRANT_BLOB, AUTH_NODE), revoked=revoked) == later


def test_tickets_of_a_removed_node_are_refused() -> None:
    revoked = Revocations([NodeId("auth-other")])
    verify(revoked=revoked)
    revoked.remove_nodes([NODE])
    assert revoked.covers_node(NODE)
    with pytest.raises(TicketRevoked, match="auth-0123456789ab"):
        verify(revoked=revoked)
    revoked.prune(NOW_NS + 100 * KEEP_NS)
    assert revoked.nodes == {NODE, NodeId("auth-other")}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, KEEP_NS)), max_size=40))
def test_revocations_hold_exactly_as_long_as_a_ticket_can_matter(steps: list[tuple[bool, int, int]]) -> None:
    revoked = Revocations()
    now_ns = NOW_NS
    sessions: dict[SessionId, int] = {}
    users: dict[UserName, int] = {}
    for is_session, number, pause_ns in steps:
        now_ns += pause_ns
        if is_session:
            sessions[SessionId(f"s{number}")] = now_ns
            revoked.end_session(SessionId(f"s{number}"), now_ns)
        else:
            users[UserName(f"u{number}")] = now_ns
            revoked.end_user(UserName(f"u{number}"), now_ns)
        for session, when_ns in sessions.items():
            assert revoked.covers_ticket(session, UserName("x"), when_ns) == (now_ns - when_ns <= KEEP_NS)
        for user, when_ns in users.items():
            assert revoked.covers_ticket(SessionId("x"), user, when_ns) == (now_ns - when_ns <= KEEP_NS)
            assert not revoked.covers_ticket(SessionId("x"), user, when_ns + 1)


def test_a_newer_auth_nodes_ticket_is_understood_by_an_older_node() -> None:
    body = msgspec.msgpack.encode([*msgspec.structs.astuple(TICKET), "from the future"])
    blob = msgspec.msgpack.encode([GRANT_BLOB, body, AUTH_NODE.sign(Purpose.TICKET, body)])
    assert verify(blob) == TICKET


def test_the_module_is_light_until_it_checks() -> None:
    heavy = "('cryptography', 'sqlalchemy', 'asyncio', 'argon2')"
    script = f"import hocket.auth.tickets, sys; sys.exit(any(m.partition('.')[0] in {heavy} for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
