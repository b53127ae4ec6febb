"""Bad input of every kind against real processes: a clear error on the right side, and nobody else is harmed."""

import asyncio
import random
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hocket.adapters.tls import stranger_context
from hocket.client import events
from hocket.core.errors import ErrorCode, HocketError, Refused
from hocket.core.ids import NodeId, Role, TrackId
from hocket.wire import codec, limits
from hocket.wire.codec import Flag
from hocket.wire.hello import NONCE_BYTES, Hello
from hocket.wire.kinds import Kind
from hocket.wire.messages.tracks import OpenTrack, Read
from tests.kit.cluster import Cluster
from tests.kit.processes import ROOT, run_to_end
from tests.system.kit import QUICK, listening, make_song, until

pytestmark = pytest.mark.in_time

HELLO = codec.encode(Hello(1, 1, Role.LISTENER, NodeId("listener-000000000001"), bytes(NONCE_BYTES)))
noise = random.Random(7).randbytes

GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "noise": noise(5000),
    "no hello": codec.encode(Read(1, 0, 10), 1),
    "a hello of the future": codec.encode(Hello(900, 901, Role.LISTENER, NodeId(""), bytes(NONCE_BYTES))),
    "a prime without a certificate": codec.encode(Hello(1, 1, Role.PRIME, NodeId("prime-1"), bytes(NONCE_BYTES))),
    "oversize": HELLO + codec.header(Kind.PING, Flag.NONE, 1, limits.MAX_CONTROL_BODY_BYTES + 1),
    "an unknown message": HELLO + b"\xea\x60" + codec.header(Kind.PING, Flag.NONE, 1, 0)[2:],
    "raw bytes unasked": HELLO + codec.header(Kind.CHUNK, Flag.RAW, 1, 100) + bytes(100),
    "without a ticket": HELLO + codec.encode(OpenTrack(TrackId("a" * 64)), 1) + codec.encode(Read(1, 0, 10), 2),
    "half a frame": HELLO[:7],
    "nothing": b"",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "music").mkdir()
    make_song(folder / "music" / "A long song.wav", 300)
    (folder / "music" / "broken.wav").write_bytes(noise(5000))
    with Cluster(folder, *QUICK, "--idle", "600") as cluster:
        yield cluster


def test_garbage_on_every_port_harms_no_listener(served: Cluster) -> None:
    def throw(address: str, data: bytes) -> None:
        host, _, port = address.rpartition(":")
        raw = socket.create_connection((host, int(port)))
        try:
            sock = stranger_context().wrap_socket(raw)
        except (ssl.SSLError, OSError):
            raw.close()
            return
        with sock:
            sock.sendall(data)

    async def run() -> None:
        async with listening(served, 1) as (engine, told):
            await engine.play("long")
            await told.wait(events.Playing)
            status = await asyncio.to_thread(served.status)
            addresses = [node["address"] for node in status["nodes"]]
            assert len(addresses) == 3
            for data in GARBAGE.values():
                for address in addresses:
                    await asyncio.to_thread(throw, address, data)
            for address in addresses:  # not even TLS
                host, _, port = address.rpartition(":")
                with socket.create_connection((host, int(port))) as sock:
                    sock.sendall(noise(3000))
            await told.wait(events.Position)
            assert not told.of(events.Stalled)
            assert not told.of(events.Moved)
            after = await asyncio.to_thread(served.status)
            assert {node["id"] for node in after["nodes"]} == {node["id"] for node in status["nodes"]}
            assert {node["state"] for node in after["nodes"]} == {"ready"}

    asyncio.run(run())


def test_a_wrong_name_and_a_wrong_password_look_alike(served: Cluster) -> None:
    async def refused(number: int, user: str) -> HocketError:
        with pytest.raises(Refused) as caught:
            async with listening(served, number, user=user, password="wrong password"):
                pass
        return caught.value

    async def run() -> None:
        unknown, known = await refused(2, "Nobody"), await refused(3, "AnotherUser")
        assert unknown.code is known.code is ErrorCode.LOGIN_REFUSED
        assert (unknown.text, unknown.hint) == (known.text, known.hint)

    asyncio.run(run())


def test_guessing_is_slowed_down(served: Cluster) -> None:
    async def run() -> None:
        codes = []
        for number in range(6):
            with pytest.raises(Refused) as caught:
                async with listening(served, 10 + number, user="FinalUser", password=f"guess number {number}"):
                    pass
            codes.append(caught.value.code)
        assert ErrorCode.TOO_MANY_ATTEMPTS in codes
        async with listening(served, 20, user="Someone"):
            pass  # others at the same address still get in

    asyncio.run(run())


def test_a_file_that_cannot_play_is_listed_with_the_reason(served: Cluster) -> None:
    async def run() -> None:
        async with listening(served, 4) as (engine, _):
            tracks = {track.name: track for track in await engine.all_tracks()}
            assert tracks["broken.wav"].problem
            with pytest.raises(HocketError) as caught:
                await engine.play("broken")
            assert caught.value.code is ErrorCode.TRACK_UNPLAYABLE

    asyncio.run(run())
    assert served.status()["unplayable"] == 1


def test_a_track_that_is_deleted_plays_to_its_end_for_who_has_it_open(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    samples = make_song(tmp_path / "music" / "gone soon.wav", 40)
    with Cluster(tmp_path, *QUICK) as cluster:

        async def run() -> None:
            async with listening(cluster, output=f"wav:{tmp_path / 'heard.wav'}", fast=True) as (engine, told):
                await engine.play("gone soon")
                await told.wait(events.Playing)
                (tmp_path / "music" / "gone soon.wav").unlink()
                assert (await told.wait(events.Ended)).complete
                await told.wait(events.LibraryChanged)
                assert await engine.all_tracks() == []

        asyncio.run(run())
        assert (tmp_path / "heard.wav").read_bytes().endswith(samples)


def test_a_song_dropped_into_the_folder_appears(tmp_path: Path) -> None:
    with Cluster(tmp_path, *QUICK) as cluster:

        async def run() -> None:
            async with listening(cluster) as (engine, told):
                assert await engine.all_tracks() == []
                make_song(tmp_path / "music" / "Größe – new.wav", 2)
                await told.wait(events.LibraryChanged)
                assert [track.name for track in await engine.all_tracks()] == ["Größe – new.wav"]

        asyncio.run(run())


def prime(*flags: str | Path) -> tuple[int, str]:
    """Run a prime that cannot start: its exit code and what it said."""
    done = run_to_end([sys.executable, ROOT / "primeNODE.py", "--listen", "127.0.0.1:0", *flags])
    assert "Traceback" not in done.stderr
    assert "prime ready" not in done.stdout
    return done.returncode, done.stderr


def test_a_second_prime_on_the_same_folder_is_refused(served: Cluster) -> None:
    code, said = prime("--data", served.data, "--music", served.music)
    assert code == 3
    assert str(served.prime.pid) in said


def test_a_busy_port_is_named(served: Cluster, tmp_path: Path) -> None:
    done = run_to_end([sys.executable, ROOT / "primeNODE.py", "--listen", served.address, "--data", tmp_path / "data"])
    assert done.returncode == 3
    assert served.address in done.stderr
    assert "--listen" in done.stderr


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, said = prime("--data", tmp_path / "file" / "data", "--music", tmp_path)
    assert code == 3
    assert "--data" in said


def test_a_corrupt_database_is_never_replaced(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    damage = noise(8192)
    (data / "records.sqlite").write_bytes(damage)
    code, said = prime("--data", data, "--music", tmp_path)
    assert code == 3
    assert "records.sqlite" in said
    assert "backup" in said
    assert (data / "records.sqlite").read_bytes() == damage


def test_a_missing_music_folder_is_said_and_heals(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, *QUICK, music=tmp_path / "later")
    cluster.music.rmdir()
    with cluster:

        async def run() -> None:
            status = await until(cluster, lambda status: bool(status["problems"]))
            assert "later" in status["problems"][0]
            (tmp_path / "later").mkdir()
            make_song(tmp_path / "later" / "song.wav", 1)
            await until(cluster, lambda status: status["tracks"] == 1 and not status["problems"])

        asyncio.run(run())


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--max-laod", "3"], "--max-load"),
        (["--listen", "nowhere"], "HOST:PORT"),
        (["--max-users", "0"], "max-users"),
        (["--node-ports", "9-3"], "50010-50030"),
        (["--audio", "loud"], "plain"),
        (["--ticket", "3"], "--session-heartbeat"),
    ],
)
def test_nonsense_on_the_command_line(flags: list[str], word: str, tmp_path: Path) -> None:
    done = run_to_end([sys.executable, ROOT / "primeNODE.py", *flags, *(["--data", str(tmp_path)])])
    assert done.returncode == 2
    assert word in done.stderr
