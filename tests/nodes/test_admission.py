"""Tokens that the prime will not make."""

import asyncio
from typing import Any

import pytest

from hocket.core.errors import ErrorCode, HocketError
from hocket.nodes.prime.admission import MAX_TOKEN_S, Admission
from hocket.wire.messages.planes import TokenMake


@pytest.mark.parametrize("ttl_s", [float("inf"), MAX_TOKEN_S * 2])
def test_a_token_does_not_hold_for_ever(ttl_s: float) -> None:
    unused: Any = None
    admission = Admission(unused, unused, unused, unused, unused, unused, unused)
    with pytest.raises(HocketError, match="a year") as caught:
        asyncio.run(admission.token(TokenMake(1, ttl_s)))
    assert caught.value.code is ErrorCode.USAGE
