"""A library that no machine holds whole (`--replicas`), with real processes: listed whole, and played from wherever."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hocket.adapters.authority import Authority
from hocket.adapters.datafolder import DataFolder
from hocket.client import events
from hocket.client.engine import Engine
from hocket.core.errors import ErrorCode, HocketError
from hocket.relay.chunks import LEAF_BYTES
from hocket.relay.vouched import read_vouched
from hocket.wire.messages.together import GetManifest, GetManifestPage, ManifestPage, TrackVouched
from tests.client.kit import Told, samples_of
from tests.kit.cluster import Cluster, Status
from tests.kit.processes import Program
from tests.system.kit import QUICK, listening, make_song, names

pytestmark = pytest.mark.in_time

TIMEOUT_S = 60.0
LATER_S = 0.5
MACHINES = ("prime", "one", "two")
SONGS_EACH = 2


class Spread:
    """A prime and two planes, each with songs of its own; so many copies of each track are wanted."""

    def __init__(self, folder: Path, replicas: int = 1, seconds: int = 3) -> None:
        self.folder = folder
        self.music = {name: folder / name / "music" for name in MACHINES}
        self.samples: dict[str, bytes] = {}
        for number, music in enumerate(self.music.values()):
            music.mkdir(parents=True)
            for song in range(SONGS_EACH):
                self.samples[f"Song {number}{song}.wav"] = make_song(
                    music / f"Song {number}{song}.wav", seconds, seed=10 * number + song
                )
        self.cluster = Cluster(folder, *QUICK, "--replicas", str(replicas), music=self.music["prime"])
        self.planes: dict[str, Program] = {}

    def start_planes(self) -> None:
        token = self.cluster.token("--uses", "2")
        for name in MACHINES[1:]:
            self.planes[name] = self.cluster.plane(name, token=token, music=self.music[name])
        self.cluster.until(lambda status: status["tracks"] == len(self.samples))

    def drop(self, machine: str, name: str, seed: int) -> None:
        """A person copies a song into a machine's folder."""
        self.samples[name] = make_song(self.music[machine] / name, 3, seed)

    def kill_machine(self, name: str) -> None:
        """The machine is gone with everything on it."""
        plane = self.planes[name]
        [record] = [node for node in self.cluster.nodes("plane") if node["pid"] == plane.pid]
        children = [node["pid"] for node in self.cluster.status()["nodes"] if node["plane"] == record["id"]]
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        plane.wait_exit()


@pytest.fixture
def spread(tmp_path: Path) -> Iterator[Spread]:
    made = Spread(tmp_path)
    with made.cluster:
        made.start_planes()
        yield made


async def until_shown(engine: Engine, told: Told, wanted: set[str]) -> None:
    """The list is that, as it is told that it changed; the node that lists it may learn of it a moment later."""
    async with asyncio.timeout(TIMEOUT_S):
        while {track.name for track in await engine.all_tracks()} != wanted:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LATER_S):
                    await told.wait(events.LibraryChanged)


async def play_whole(engine: Engine, name: str) -> HocketError | None:
    """Why it was not heard to its end; tried again where only a streaming node took its time to start."""
    failure: HocketError | None = None
    for _ in range(3):
        await engine.play(name)
        async with asyncio.timeout(TIMEOUT_S):
            failure = await engine.wait_idle()
        if failure is None or failure.code is not ErrorCode.TIMED_OUT:
            break
    return failure


def test_everybody_sees_and_plays_everything(spread: Spread) -> None:
    listed = spread.cluster.user("list", "--json")
    assert {row["name"] for row in json.loads(listed.stdout)} == set(spread.samples)
    for music in spread.music.values():
        assert len(names(music)) == SONGS_EACH  # one copy is enough: nothing was copied

    async def run() -> None:
        wav = spread.folder / "played.wav"
        async with listening(spread.cluster, output=f"wav:{wav}", fast=True) as (engine, told):
            tracks = await engine.all_tracks()
            assert {track.name for track in await engine.all_tracks("ong 11")} == {"Song 11.wav"}
            sources = set()
            await engine.play_all(tracks)
            for _ in tracks:
                sources.add((await told.wait(events.Opened)).source)
                await told.wait(events.Ended)
            assert await engine.wait_idle() is None
            assert not told.of(events.Error)
            assert len(sources) == len(MACHINES)  # a streaming node on each machine, and no more of them
            assert len(await asyncio.to_thread(spread.cluster.nodes, "file")) == len(MACHINES)
            assert samples_of(wav) == b"".join(spread.samples[track.name] for track in tracks)  # without a gap
            for track in tracks:
                assert len(await engine.waveform(track)) > 0

    asyncio.run(run())


def test_what_a_machine_brought_goes_with_it_and_comes_back_with_it(spread: Spread) -> None:
    everything = set(spread.samples)
    lost = {name for name in everything if name.startswith("Song 1")}

    async def run() -> None:
        async with listening(spread.cluster, fast=True) as (engine, told):
            await until_shown(engine, told, everything)
            gone = await engine.find("Song 10")
            await asyncio.to_thread(spread.kill_machine, "one")
            await until_shown(engine, told, everything - lost)
            await engine.play(gone)
            failure = await engine.wait_idle()
            assert failure is not None
            assert failure.code is ErrorCode.TRACK_MISSING
            for name in ("Song 00", "Song 21"):
                assert await play_whole(engine, name) is None
            status = await asyncio.to_thread(spread.cluster.status)
            assert (status["tracks"], status["copies_wanted"], status["copies_present"]) == (4, 4, 4)
            await asyncio.to_thread(spread.cluster.plane, "one", music=spread.music["one"])
            await until_shown(engine, told, everything)
            assert await play_whole(engine, "Song 10") is None

    asyncio.run(run())


def test_a_song_dropped_anywhere_is_listed_and_played_everywhere(spread: Spread) -> None:
    """Each machine in turn, while listeners are there."""

    async def run() -> None:
        wav = spread.folder / "played.wav"
        async with (
            listening(spread.cluster, 1, output=f"wav:{wav}", fast=True) as (one, of_one),
            listening(spread.cluster, 2, fast=True) as (two, of_two),
        ):
            await until_shown(one, of_one, set(spread.samples))
            for number, machine in enumerate(MACHINES):
                name = f"Dropped {number}.wav"
                spread.drop(machine, name, 100 + number)
                await of_one.wait(events.LibraryChanged)
                await until_shown(two, of_two, set(spread.samples))
                await until_shown(one, of_one, set(spread.samples))
                assert await play_whole(one, name) is None
                assert samples_of(wav).endswith(spread.samples[name])
            removed = await asyncio.to_thread(spread.cluster.control, "tracks", "remove", "Dropped 1")
            assert removed.returncode == 0
            del spread.samples["Dropped 1.wav"]
            for engine, told in ((one, of_one), (two, of_two)):
                await until_shown(engine, told, set(spread.samples))

    asyncio.run(run())


def test_more_copies_outlive_a_machine(tmp_path: Path) -> None:
    """Two of three machines hold each song: one dies while a song is heard, and the other goes on with it."""
    spread = Spread(tmp_path, replicas=2, seconds=40)

    async def run() -> None:
        wav = spread.folder / "played.wav"
        async with listening(spread.cluster, output=f"wav:{wav}") as (engine, told):
            await engine.play("Song 20")
            playing = await told.wait(events.Opened)
            await told.wait(events.Position)
            nodes = (await asyncio.to_thread(spread.cluster.status))["nodes"]
            [machine] = [node["plane"] for node in nodes if node["id"] == playing.source]
            [pid] = [node["pid"] for node in nodes if node["id"] == machine]
            name = next((name for name, plane in spread.planes.items() if plane.pid == pid), "")
            if name:  # it may as well be the prime, which is not killed here
                await asyncio.to_thread(spread.kill_machine, name)
                await told.wait(events.Moved)
            await told.wait(events.Position)
            await engine.stop()
            assert spread.samples["Song 20.wav"].startswith(samples_of(wav))
            assert not told.of(events.Error)
            await until_shown(engine, told, set(spread.samples))

    with spread.cluster:
        spread.start_planes()
        spread.cluster.until(lambda status: copies(status) == (12, 12, 0))
        shown = spread.cluster.control("status")
        assert "6 tracks, 12 of 12 copies" in " ".join(shown.stdout.split())
        assert sum(node["tracks"] for node in spread.cluster.status()["nodes"]) == 12
        asyncio.run(run())


def copies(status: Status) -> tuple[int, int, int]:
    return status["copies_wanted"], status["copies_present"], status["missing_copies"]


def test_friends_hear_what_only_a_plane_holds(tmp_path: Path) -> None:
    """The prime signs for it all the same, so that friends can check what they pass on."""
    spread = Spread(tmp_path, seconds=30)
    with spread.cluster:
        spread.start_planes()
        host = spread.cluster.listener("play", "Song 10", "--output", "null", "--host", "127.0.0.1:0")
        address = host.wait_event("hosting")["address"]
        host.wait_event("playing")
        wav = tmp_path / "friend.wav"
        friend = spread.cluster.listener("join", address, "--no-host", "--for", "3", "--output", f"wav:{wav}")
        friend.wait_event("playing")
        assert friend.wait_exit(TIMEOUT_S) == 0
        assert not friend.events_named("error")
        played, song = samples_of(wav), spread.samples["Song 10.wav"]
        assert any(played[at : at + 4000] in song for at in range(0, len(played) - 4000, 4000))

        async def check() -> None:
            async with listening(spread.cluster, 9) as (engine, _):
                track = await engine.find("Song 10")
                vouched = (await engine.ask_prime(GetManifest(track.id), TrackVouched)).vouched
                known, manifest = read_vouched(vouched, public_key_of(spread))
                assert known == track
                manifest.add_page(0, (await engine.ask_prime(GetManifestPage(track.id, 0), ManifestPage)).page)
                content = (spread.music["one"] / track.name).read_bytes()
                for leaf in range(manifest.manifest.leaves):
                    manifest.check(leaf, content[leaf * LEAF_BYTES : (leaf + 1) * LEAF_BYTES])

        asyncio.run(check())


def public_key_of(spread: Spread) -> bytes:
    """The cluster's, out of the prime's data folder."""
    with DataFolder.look(spread.cluster.data) as folder:
        return Authority.load_or_create(folder).public_key
