"""Tokens that the prime will not make, and how it tells who was removed."""

import asyncio
from typing import Any

import pytest

from hocket.auth.revocations import Revocations
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId
from hocket.nodes.prime.admission import MAX_TOKEN_S, Admission
from hocket.wire import codec, limits
from hocket.wire.codec import Decoder
from hocket.wire.messages.planes import NodesRemoved, TokenMake


@pytest.mark.parametrize("ttl_s", [float("inf"), MAX_TOKEN_S * 2])
def test_a_token_does_not_hold_for_ever(ttl_s: float) -> None:
    unused: Any = None
    admission = Admission(unused, unused, unused, unused, unused, unused, unused)
    with pytest.raises(HocketError, match="a year") as caught:
        asyncio.run(admission.token(TokenMake(1, ttl_s)))
    assert caught.value.code is ErrorCode.USAGE


@pytest.mark.parametrize("count", [0, 1, 5_000, 25_001])
def test_however_many_nodes_were_removed_a_node_hears_of_all(count: int) -> None:
    unused: Any = None
    gone = Revocations(NodeId(f"plane-{number:012x}") for number in range(count))
    admission = Admission(unused, unused, unused, gone, unused, unused, unused)
    decoder = Decoder(limits.MAX_CONTROL_BODY_BYTES)
    heard: list[NodeId] = []
    for part in admission.removed():
        for frame in decoder.feed(codec.encode(part)):
            message = codec.decode(frame)
            assert isinstance(message, NodesRemoved)
            heard += message.nodes
    assert frozenset(heard) == gone.nodes
    assert len(heard) == count
