"""Fixtures for tests on a network of several hosts; where there can be none the reason is told."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.kit.needs import lacking
from tests.kit.wan import Wan, unavailable


@pytest.fixture
def make_wan() -> Iterator[Callable[..., Wan]]:
    """`make_wan(hosts=5, ...)`: a network that ends with the test; the arguments of `Wan`."""
    if reason := unavailable():
        lacking(reason)
    with ExitStack() as networks:
        yield lambda *arguments, **named: networks.enter_context(Wan(*arguments, **named))


@pytest.fixture
def wan(make_wan: Callable[..., Wan]) -> Wan:
    """A network of three hosts."""
    return make_wan(hosts=3)
