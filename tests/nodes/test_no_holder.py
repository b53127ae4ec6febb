"""What a listener is told about a track that no machine can stream just now."""

from pathlib import Path
from typing import Any

import pytest

from hocket.adapters.datafolder import DataFolder
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode
from hocket.core.ids import NodeId, TrackId
from hocket.nodes.prime import librarian as librarian_module
from hocket.nodes.prime.librarian import Librarian
from hocket.nodes.prime.placing import Placing
from hocket.wire.messages.library import HoldsPage, ReplicaState
from tests.nodes.test_lists import track

PLANE, OTHER = NodeId("plane-000000000001"), NodeId("plane-000000000002")
SONG = track(1)
UNKNOWN = TrackId("f" * 64)


def opened(data: DataFolder) -> Librarian:
    return Librarian(data, 1, lambda *_: None, lambda *_: None)


def lists(librarian: Librarian, machine: NodeId, *tracks: Any) -> None:
    librarian.take(machine, ReplicaState(HostPort("127.0.0.1", 1), label=machine))
    librarian.take(machine, HoldsPage(1, True, True, len(tracks), tracks))


def answer(librarian: Librarian, asked: TrackId) -> tuple[ErrorCode, str]:
    unused: Any = None
    error = Placing(unused, unused, unused, unused, librarian)._no_holder(asked)
    assert (error.retry_s > 0) == (error.code is ErrorCode.NOT_REACHABLE)
    return error.code, error.text


def test_a_machine_that_is_away_is_worth_waiting_for_until_it_is_given_up(tmp_path: Path) -> None:
    with DataFolder.open(tmp_path) as data:
        librarian = opened(data)
        lists(librarian, PLANE, SONG)
        assert answer(librarian, UNKNOWN)[0] is ErrorCode.TRACK_MISSING
        assert answer(librarian, SONG.id)[0] is ErrorCode.NOT_REACHABLE  # it is here, but takes nobody
        librarian.away(PLANE)
        code, text = answer(librarian, SONG.id)
        assert (code, PLANE in text) == (ErrorCode.NOT_REACHABLE, True)
        librarian.away(PLANE, lost=True)
        assert answer(librarian, SONG.id)[0] is ErrorCode.TRACK_MISSING


def test_after_its_start_the_prime_waits_for_those_that_it_knew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DataFolder.open(tmp_path) as data:
        before = opened(data)
        lists(before, PLANE, SONG)
        lists(before, OTHER)
        before._step(0.0)
        again = opened(data)
        assert again.late() == {PLANE, OTHER}
        lists(again, OTHER)
        code, text = answer(again, SONG.id)
        assert (code, PLANE in text, OTHER in text) == (ErrorCode.NOT_REACHABLE, True, False)
        lists(again, PLANE, SONG)
        assert again.late() == frozenset()
        assert again.holders(SONG.id) == {PLANE}
        monkeypatch.setattr(librarian_module, "LATE_S", 0.0)
        assert opened(data).late() == frozenset()
