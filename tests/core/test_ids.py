"""Ids of nodes: what is spawned and what joins never take the same one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.ids import NODE_ID_RANDOM_BYTES, NodeId, Role, is_spawned, node_id, role_of

randomness = st.binary(min_size=NODE_ID_RANDOM_BYTES, max_size=NODE_ID_RANDOM_BYTES)
workers = st.sampled_from([Role.AUTH, Role.FILE])


@given(workers, randomness, randomness)
def test_nobody_joins_by_the_id_of_a_spawned_node(role: Role, of_spawned: bytes, of_joined: bytes) -> None:
    spawned, joined = node_id(role, of_spawned, spawned=True), node_id(role, of_joined)
    assert spawned != joined
    assert is_spawned(spawned)
    assert not is_spawned(joined)
    assert role_of(spawned) is role_of(joined) is role


@given(randomness)
def test_planes_are_never_spawned(random: bytes) -> None:
    assert not is_spawned(NodeId(f"plane-{random.hex()}"))


@given(randomness, randomness)
def test_ids_differ_where_their_randomness_does_but_for_one_bit(one: bytes, other: bytes) -> None:
    same = bytes([one[0] & 0x7F]) + one[1:] == bytes([other[0] & 0x7F]) + other[1:]
    assert (node_id(Role.AUTH, one, spawned=True) == node_id(Role.AUTH, other, spawned=True)) == same


def test_what_is_no_id_is_not_judged() -> None:
    with pytest.raises(ValueError, match="no node id"):
        is_spawned(NodeId("auth-zz"))
    with pytest.raises(ValueError, match="random bytes"):
        node_id(Role.AUTH, b"short")
