"""Connections that wait for the next file: a TLS handshake for each would cost more than a short song."""

import threading
import time
from collections.abc import Callable

import msgspec

from hocket.adapters.transfer.source import SourceLink
from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role
from hocket.wire.messages.library import FetchOrder

KEPT_S = 5.0


class Source(msgspec.Struct, frozen=True):
    """Whom a connection leads to, and in which way."""

    address: HostPort
    role: Role
    node: NodeId
    plain: bool


def source_of(order: FetchOrder) -> Source:
    return Source(order.address, order.source_role, order.source, order.plain)


class Lines:
    """Greeted connections in step, for the transfers of a machine, from any thread."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._kept: list[tuple[float, Source, SourceLink]] = []
        self._closed = False

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, source: Source) -> SourceLink | None:
        """A connection that nobody else uses now; it may have been broken off meanwhile."""
        with self._lock:
            for at in reversed(range(len(self._kept))):
                if self._kept[at][1] == source:
                    return self._kept.pop(at)[2]
        return None

    def keep(self, source: Source, link: SourceLink) -> None:
        """For whoever needs it next."""
        with self._lock:
            if not self._closed:
                self._kept.append((self._now_s(), source, link))
                return
        link.close()

    def close_old(self) -> None:
        """Close those that nobody needed for KEPT_S."""
        since_s = self._now_s() - KEPT_S
        with self._lock:
            old = [link for kept_s, _, link in self._kept if kept_s <= since_s]
            self._kept = [kept for kept in self._kept if kept[0] > since_s]
        for link in old:
            link.close()

    def close(self) -> None:
        """Close all, also those that come back later."""
        with self._lock:
            self._closed = True
            left, self._kept = self._kept, []
        for _, _, link in left:
            link.close()
