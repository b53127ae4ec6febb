"""What the lines of a test network do to a packet: when it arrives, if it does. Pure: time comes in."""

import random
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(slots=True)
class _Way:
    """One direction between two hosts."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    reorder: bool = False
    last_due_s: float = 0.0


@dataclass(slots=True)
class _Upload:
    """A host's line into the network, with a queue that drops at its tail."""

    s_per_byte: float = 0.0
    queue_s: float = 0.0
    free_at_s: float = 0.0


class Lines:
    """Hosts are numbered from 1; every pair is joined, at first without delay, loss or limit."""

    def __init__(self, hosts: int, rng: random.Random) -> None:
        self.hosts = range(1, hosts + 1)
        self._rng = rng
        self._ways: dict[tuple[int, int], _Way] = {}
        self._uploads: dict[int, _Upload] = {}
        self._cut_hosts: set[int] = set()
        self._cut_ways: set[tuple[int, int]] = set()
        self._group_of: dict[int, int] = {}
        self._shut: frozenset[tuple[int, int]] = frozenset()

    def due_s(self, source: int, target: int, size_bytes: int, now_s: float) -> float | None:
        """When a packet sent now arrives; now_s itself where nothing holds it up; None if it is lost.

        Without `reorder` a packet waits for the one before it, as in a queue: so jitter on a dense stream
        tends to its upper bound.
        """
        if (source, target) in self._shut:
            return None
        at_s = now_s
        upload = self._uploads.get(source)
        if upload is not None:
            if upload.free_at_s - now_s > upload.queue_s:
                return None
            at_s = upload.free_at_s = max(now_s, upload.free_at_s) + size_bytes * upload.s_per_byte
        way = self._ways.get((source, target))
        if way is None:
            return at_s
        if way.loss and self._rng.random() < way.loss:
            return None
        at_s += way.delay_s
        if way.jitter_s:
            at_s = max(now_s, at_s + self._rng.uniform(-way.jitter_s, way.jitter_s))
        if not way.reorder:
            at_s = max(at_s, way.last_due_s)
        way.last_due_s = max(at_s, way.last_due_s)
        return at_s

    def is_open(self, source: int, target: int) -> bool:
        """Whether a packet under way may still arrive: a cut loses those on the line, too."""
        return (source, target) not in self._shut

    def set_way(self, source: int, target: int, delay_ms: float, jitter_ms: float, loss: float, reorder: bool) -> None:
        """One direction: delay_ms +- jitter_ms (evenly spread, never below 0), loss from 0 to 1. Raises ValueError."""
        self._known(source, target)
        if source == target:
            raise ValueError(f"host {source} needs no line to itself")
        if delay_ms < 0 or jitter_ms < 0 or not 0 <= loss <= 1:
            raise ValueError(f"no such line: delay {delay_ms} ms, jitter {jitter_ms} ms, loss {loss}")
        way = self._ways.setdefault((source, target), _Way())
        way.delay_s, way.jitter_s, way.loss, way.reorder = delay_ms / 1e3, jitter_ms / 1e3, loss, reorder

    def set_upload(self, host: int, bits_per_s: float, queue_ms: float) -> None:
        """Limit what a host sends, IP headers counted; 0 bits_per_s: no limit. Raises ValueError.

        A packet that finds more than queue_ms waiting before it is dropped.
        """
        self._known(host)
        if bits_per_s < 0 or queue_ms < 0:
            raise ValueError(f"no such upload: {bits_per_s} bit/s, queue {queue_ms} ms")
        upload = self._uploads.setdefault(host, _Upload())
        upload.s_per_byte = 8 / bits_per_s if bits_per_s else 0.0
        upload.queue_s = queue_ms / 1e3

    def cut(self, host: int, to: int | None = None) -> None:
        """Take a host off the network, or lose only what it sends `to` another."""
        self._known(host, *([] if to is None else [to]))
        if to is None:
            self._cut_hosts.add(host)
        else:
            self._cut_ways.add((host, to))
        self._settle()

    def heal(self, host: int, to: int | None = None) -> None:
        """Undo the same `cut`; a partition stays."""
        self._known(host, *([] if to is None else [to]))
        if to is None:
            self._cut_hosts.discard(host)
        else:
            self._cut_ways.discard((host, to))
        self._settle()

    def heal_all(self) -> None:
        """Undo every cut and the partition."""
        self._cut_hosts.clear()
        self._cut_ways.clear()
        self._group_of.clear()
        self._settle()

    def partition(self, groups: Collection[Collection[int]]) -> None:
        """Only hosts of one group reach each other; hosts that are not named are one more group."""
        named = [host for group in groups for host in group]
        self._known(*named)
        if len(named) != len(set(named)):
            raise ValueError("a host stands in two groups")
        self._group_of = {host: index for index, group in enumerate(groups) for host in group}
        self._settle()

    def _settle(self) -> None:
        self._shut = frozenset(
            (a, b)
            for a in self.hosts
            for b in self.hosts
            if a in self._cut_hosts
            or b in self._cut_hosts
            or (a, b) in self._cut_ways
            or self._group_of.get(a) != self._group_of.get(b)
        )

    def _known(self, *hosts: int) -> None:
        for host in hosts:
            if host not in self.hosts:
                raise ValueError(f"no host {host}: they are numbered from 1 to {len(self.hosts)}")
