"""The opening: versions, certified roles, one HELLO only."""

import pytest

from hocket.core.errors import ErrorCode, HocketError, ProtocolError
from hocket.core.ids import NodeId, Role
from hocket.wire.hello import NONCE_BYTES, Hello, Opening, agree


def hello(role: Role = Role.LISTENER, node: str = "", oldest: int = 1, newest: int = 1) -> Hello:
    return Hello(oldest, newest, role, NodeId(node), bytes(NONCE_BYTES))


PRIME = hello(Role.PRIME, "prime-1", 2, 4)


@pytest.mark.parametrize(("oldest", "newest", "version"), [(1, 2, 2), (1, 9, 4), (3, 3, 3), (4, 9, 4)])
def test_the_newest_common_version_is_taken(oldest: int, newest: int, version: int) -> None:
    assert agree(PRIME, hello(oldest=oldest, newest=newest)) == version


def test_the_side_to_upgrade_is_named() -> None:
    with pytest.raises(ProtocolError) as old:
        agree(PRIME, hello(oldest=1, newest=1))
    assert old.value.code is ErrorCode.VERSION_TOO_OLD
    assert "listener" in old.value.hint
    with pytest.raises(ProtocolError) as new:
        agree(PRIME, hello(oldest=5, newest=6))
    assert new.value.code is ErrorCode.VERSION_TOO_NEW
    assert "prime" in new.value.hint


def test_a_listener_needs_no_certificate() -> None:
    opening = Opening(PRIME, None)
    opening.receive(hello(oldest=1, newest=3))
    assert opening.is_open
    assert opening.version == 3


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.LISTENER])
def test_every_other_role_needs_one(role: Role) -> None:
    opening = Opening(PRIME, None)
    with pytest.raises(ProtocolError) as caught:
        opening.receive(hello(role, "x-1", 2, 4))
    assert caught.value.code is ErrorCode.CERTIFICATE_REFUSED
    assert not opening.is_open


@pytest.mark.parametrize("certified", [(Role.FILE, NodeId("file-1")), (Role.AUTH, NodeId("auth-2"))])
def test_a_hello_claims_no_more_than_its_certificate(certified: tuple[Role, NodeId]) -> None:
    with pytest.raises(ProtocolError):
        Opening(PRIME, certified).receive(hello(Role.AUTH, "auth-1", 2, 4))
    Opening(PRIME, (Role.AUTH, NodeId("auth-1"))).receive(hello(Role.AUTH, "auth-1", 2, 4))


def test_a_claim_is_believed_only_where_the_caller_says_so() -> None:
    opening = Opening(hello(newest=4), None, believe=True)
    opening.receive(PRIME)
    assert opening.peer == PRIME


def test_a_second_hello_is_refused() -> None:
    opening = Opening(PRIME, None)
    opening.receive(hello(newest=2))
    with pytest.raises(HocketError):
        opening.receive(hello(newest=2))


def test_after_a_refused_hello_nothing_opens() -> None:
    opening = Opening(PRIME, None)
    with pytest.raises(ProtocolError):
        opening.receive(hello(newest=1))
    with pytest.raises(ProtocolError):
        opening.receive(hello(newest=2))
    assert not opening.is_open
