"""Who may do what at the prime, and for how long."""

from typing import cast

import pytest

from hocket.adapters.link import Link, hello
from hocket.auth.accounts import Rights
from hocket.auth.callers import JOIN_BURST, LOGIN_BURST, TooManyRequests
from hocket.auth.keys import SigningKey
from hocket.auth.revocations import Revocations
from hocket.auth.tickets import Grant, Ticket, possession_proof, sign_grant, sign_ticket
from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_S
from hocket.core.errors import TicketRefused
from hocket.core.ids import NodeId, Role, SessionId, UserName
from hocket.nodes.prime.visitors import Visitors
from hocket.wire.hello import NONCE_BYTES
from hocket.wire.messages.common import Present

PRIME = NodeId("prime-0123456789ab")
CLUSTER, AUTH_NODE, LISTENER = (SigningKey(letter * 32) for letter in (b"a", b"n", b"l"))
SESSION = SessionId("5" * 32)
LIFE_NS = 30 * NS_PER_S
NONCE = bytes(NONCE_BYTES)


class Line:
    """As much of a Link as Visitors looks at."""

    def __init__(self, role: Role = Role.LISTENER, host: str = "10.0.0.1") -> None:
        self.peer = hello(role, NodeId(f"{role.value}-000000000000"))
        self.my_nonce = NONCE
        self.sender_role = role
        self.peer_address = HostPort(host, 4000)


class Scene:
    def __init__(self) -> None:
        self.now_ns = 1_700_000_000 * NS_PER_S
        self.revoked = Revocations()
        self.visitors = Visitors(PRIME, CLUSTER.public, self.revoked, lambda: self.now_ns)

    def show(self, line: Line, rights: Rights) -> None:
        grant = sign_grant(Grant(NodeId("auth-0123456789ab"), AUTH_NODE.public, self.now_ns + 2 * LIFE_NS), CLUSTER)
        ticket = Ticket(SESSION, UserName("Anna"), int(rights), LISTENER.public, self.now_ns, self.now_ns + LIFE_NS)
        message = Present(sign_ticket(ticket, grant, AUTH_NODE), possession_proof(LISTENER, NONCE, PRIME))
        self.visitors.present(cast(Link, line), message)

    def check(self, line: Line) -> None:
        self.visitors.check(cast(Link, line))


OPERATING = Rights.LISTEN | Rights.OPERATE


@pytest.mark.parametrize("end", ["session", "user", "time"])
def test_an_account_operates_no_longer_than_its_ticket_holds(end: str) -> None:
    scene, line = Scene(), Line()
    scene.show(line, OPERATING)
    assert line.sender_role is Role.OPERATOR
    scene.check(line)
    match end:
        case "session":
            scene.revoked.end_session(SESSION, scene.now_ns)
        case "user":
            scene.revoked.end_user(UserName("Anna"), scene.now_ns)
        case _:
            scene.now_ns += LIFE_NS + 1
    with pytest.raises(TicketRefused):
        scene.check(line)


def test_a_ticket_without_the_right_takes_the_operators_role_back() -> None:
    scene, line = Scene(), Line()
    scene.show(line, OPERATING)
    scene.show(line, Rights.LISTEN)
    assert line.sender_role is Role.LISTENER


def test_a_certified_operator_needs_no_ticket() -> None:
    scene = Scene()
    scene.check(Line(Role.OPERATOR))


def test_strangers_at_one_address_get_only_so_many_seats() -> None:
    scene = Scene()
    for _ in range(int(LOGIN_BURST)):
        scene.visitors.admit_log_in(cast(Link, Line()), 0.0)
    with pytest.raises(TooManyRequests):
        scene.visitors.admit_log_in(cast(Link, Line()), 0.0)
    scene.visitors.admit_log_in(cast(Link, Line(host="10.0.0.2")), 0.0)
    known = Line()
    scene.show(known, Rights.LISTEN)
    scene.visitors.admit_log_in(cast(Link, known), 0.0)


def test_join_tokens_are_not_tried_all_day() -> None:
    scene = Scene()
    for _ in range(int(JOIN_BURST)):
        scene.visitors.admit_join(cast(Link, Line()), 0.0)
    with pytest.raises(TooManyRequests, match="join tokens"):
        scene.visitors.admit_join(cast(Link, Line()), 0.0)
