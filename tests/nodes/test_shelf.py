"""A music folder that is looked after, also when it goes away."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from hocket.nodes.shelf import Shelf
from tests.system.kit import make_song

WAIT_S = 60.0


class Seen(Shelf):
    """Wakes the test whenever a look at the folder ended."""

    def __init__(self, music: Path, data: Path) -> None:
        super().__init__(music, data, lambda revision, tracks: None)
        self.looked = asyncio.Event()

    def _note_problem(self, problem: str) -> None:
        super()._note_problem(problem)
        self.looked.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not holds():
                self.looked.clear()
                await self.looked.wait()


def test_a_folder_that_goes_away_shows_as_a_problem_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hocket.adapters.library.watch._RETRY_S", 0.05)
    music = tmp_path / "music"
    music.mkdir()
    make_song(music / "a.wav", 1)

    async def run() -> None:
        shelf = Seen(music, tmp_path)
        shelf.start()
        try:
            await shelf.until(lambda: shelf.state.tracks == 1)
            music.rename(tmp_path / "away")
            await shelf.until(lambda: bool(shelf.state.problems))
            assert str(music) in shelf.state.problems[0]
            assert shelf.state.tracks == 1, "the last list stands"
            (tmp_path / "away").rename(music)
            await shelf.until(lambda: not shelf.state.problems)
        finally:
            await shelf.stop()

    asyncio.run(run())


def test_a_bug_in_the_scan_is_shown_and_does_not_end_the_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hocket.nodes.shelf.RETRY_S", 0.05)
    music = tmp_path / "music"
    music.mkdir()
    make_song(music / "a.wav", 1)

    def broken(*args: object, **options: object) -> None:
        raise ZeroDivisionError

    async def run() -> None:
        shelf = Seen(music, tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr("hocket.adapters.library.watch.scan", broken)
            shelf.start()
            await shelf.until(lambda: bool(shelf.state.problems))
        try:
            await shelf.until(lambda: shelf.state.tracks == 1 and not shelf.state.problems)
        finally:
            await shelf.stop()

    asyncio.run(run())
