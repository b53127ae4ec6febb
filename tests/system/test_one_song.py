"""One song through the root scripts: listed, played, heard, and played on whatever is killed meanwhile."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.output_kit import CD, counted_frames
from tests.client.kit import samples_of
from tests.kit.cluster import Cluster, Listener
from tests.kit.fakecluster import Song, make_song
from tests.kit.processes import ROOT, Program
from tests.kit.pulse import pulse_daemon
from tests.system.kit import QUICK

pytestmark = pytest.mark.in_time

SONGS = {
    "Paper Boats.wav": make_song("Paper Boats.wav", 45.0),
    "Übers Meer – première lumière.wav": make_song("Übers Meer.wav", 3.0),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for the tests that break nothing."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "music").mkdir()
    for name, song in SONGS.items():
        (folder / "music" / name).write_bytes(song.content)
    with Cluster(folder, *QUICK) as cluster:
        yield cluster


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster to break things in."""
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "one.wav").write_bytes(LONG.content)
    with Cluster(tmp_path, *QUICK) as cluster:
        yield cluster


LONG = make_song("one.wav", 120.0)


def heard(path: Path, song: Song) -> int:
    """How many frames a file holds; they are the song's from the start on."""
    samples = samples_of(path)
    assert song.samples.startswith(samples)
    return len(samples) // 4


def pid_of(cluster: Cluster, role: str) -> int:
    (node,) = (node for node in cluster.nodes(role) if node["state"] == "ready")
    return int(node["pid"])


def test_the_list_for_people_and_for_scripts(served: Cluster) -> None:
    shown = served.user("list")
    assert shown.returncode == 0
    assert [line.split("\t")[0] for line in shown.stdout.splitlines()] == sorted(SONGS)
    found = json.loads(served.user("list", "--json", "--search", "premiere MEER").stdout)
    assert [track["name"] for track in found] == ["Übers Meer – première lumière.wav"]
    song = SONGS[found[0]["name"]].track
    assert (found[0]["id"], found[0]["frames"], found[0]["rate"]) == (song.id, song.frames, 44100)
    told = served.user("--events", "list")
    assert [json.loads(line)["event"] for line in told.stdout.splitlines()] == ["pinned", "logged_in", "tracks"][-2:]


def test_a_whole_track_is_the_files_samples(served: Cluster, tmp_path: Path) -> None:
    (name, song) = next(iter(SONGS.items()))
    done = served.user("--events", "play", "boats", "--output", f"wav:{tmp_path}/o.wav", "--fast")
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    opened = next(event for event in told if event["event"] == "opened")
    assert (opened["track"], opened["name"]) == (song.track.id, name)
    assert told[-1] == {
        "event": "ended",
        "t": told[-1]["t"],
        "frames": song.track.frames,
        "stalls": 0,
        "complete": True,
    }
    assert samples_of(tmp_path / "o.wav") == song.samples


def test_a_track_by_its_id_from_a_moment_for_a_while(served: Cluster, tmp_path: Path) -> None:
    song = SONGS["Paper Boats.wav"]
    arguments = ("--from", "30.5", "--for", "1.25", "--output", f"wav:{tmp_path}/o.wav")
    assert served.user("play", song.track.id, *arguments).returncode == 0
    first, frames = round(30.5 * 44100), round(1.25 * 44100)
    assert samples_of(tmp_path / "o.wav") == song.samples[first * 4 : (first + frames) * 4]


def test_commands_on_stdin(served: Cluster, tmp_path: Path) -> None:
    song = SONGS["Paper Boats.wav"]
    with served.listener("play", "Paper Boats.wav", "--output", f"wav:{tmp_path}/o.wav") as listener:
        frame = _commanded(listener)
    played = samples_of(tmp_path / "o.wav")
    assert played.startswith(song.samples[: frame * 4])
    assert played.endswith(SONGS["Übers Meer – première lumière.wav"].samples)


def _commanded(listener: Listener) -> int:
    """Go through the commands; the frame at which it paused."""
    assert listener.wait_event("playing")["latency_ms"] > 0
    listener.wait_event("position")
    listener.command("pause")
    paused = listener.wait_event("paused")
    listener.command("resume")
    assert listener.wait_event("resumed")["frame"] == paused["frame"]
    listener.command("seek 40")
    assert listener.wait_event("seeked")["frame"] == 40 * 44100
    listener.command("sing")
    assert listener.wait_event("error")["code"] == "USAGE"
    listener.command("play nothing of the kind")
    assert listener.wait_event("error")["code"] == "TRACK_MISSING"
    listener.command("play première")
    assert not listener.wait_event("ended")["complete"]
    assert listener.wait_event("opened")["name"].startswith("Übers")
    listener.close_stdin()  # the end of the commands is no reason to stop
    assert listener.wait_event("ended")["complete"]
    assert listener.wait_exit() == 0
    assert listener.events_named("stalled") == []
    return int(paused["frame"])


@pytest.mark.parametrize("how", ["stop", "SIGINT", "SIGTERM"])
def test_stopping_is_immediate_and_clean(how: str, served: Cluster, tmp_path: Path) -> None:
    with served.listener("play", "boats", "--output", f"wav:{tmp_path}/o.wav") as listener:
        listener.wait_event("position")
        if how == "stop":
            listener.command("stop")
        else:
            listener.send_signal(signal.Signals[how])
        assert listener.wait_exit(5.0) == 0
    ended = listener.events_named("ended")[-1]
    assert not ended["complete"]
    assert heard(tmp_path / "o.wav", SONGS["Paper Boats.wav"]) == ended["frames"] > 0
    assert "Traceback" not in "\n".join(listener.stderr_lines)


def test_the_second_time_the_cache_plays(served: Cluster, tmp_path: Path) -> None:
    flags = ("--cache", tmp_path / "cache", "--fast", "--events", "play", "lumière")
    sources = []
    for number in range(2):
        path = tmp_path / f"{number}.wav"
        done = served.user(*flags, "--output", f"wav:{path}")
        assert done.returncode == 0, done.stderr
        sources += [json.loads(line)["source"] for line in done.stdout.splitlines() if '"opened"' in line]
        assert samples_of(path) == SONGS["Übers Meer – première lumière.wav"].samples
    assert sources[0].startswith("file-")
    assert sources[1] == "cache"


def test_the_terminal_client(served: Cluster) -> None:
    command: list[str | Path] = [sys.executable, ROOT / "user.py", *served.login_flags(), "--output", "null"]
    with Program(command, env=served.env) as terminal:
        for line, answer in (
            ("password123", "`help` lists the commands"),
            ("help", "volume 80"),
            ("list lumière", "Übers Meer"),
            ("play 1", "playing Übers Meer – première lumière"),
            ("pause", ""),
            ("seek 0:02", ""),
            ("now", "Übers Meer – première lumière  0:02"),
            ("volume 30%", ""),
            ("now", "volume 30%, into null; Someone at"),
            ("p", ""),
            ("-2", ""),
            ("next", "that was the last one"),
            ("play 9", "there is no number 9"),
            ("huh", "'huh' is no command: `help` lists the commands"),
            ("play boats", "playing Paper Boats"),
            ("quit", ""),
        ):
            terminal.write_line(line)
            if answer:
                terminal.wait_line(re.escape(answer))
        assert terminal.wait_exit() == 0
        assert terminal.stderr_lines == []


SOUND_S = 4


@pytest.mark.sound
def test_what_is_heard_is_the_file_over_tls(tmp_path: Path) -> None:
    from hocket.media.wav_header import wav_header

    whole = counted_frames(SOUND_S * CD.rate_hz)
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "counted.wav").write_bytes(wav_header(CD, len(whole)) + whole)
    (tmp_path / "pulse").mkdir()
    with (
        pulse_daemon(tmp_path / "pulse") as pulse,
        Cluster(tmp_path, *QUICK) as cluster,
        pulse.recording() as recording,
    ):
        listener = cluster.listener("play", "counted", env=dict(pulse.env))
        assert listener.wait_event("ended")["frames"] == SOUND_S * CD.rate_hz
        recording.wait_for(whole)
        assert listener.wait_exit() == 0
        assert listener.events_named("stalled") == []
        assert listener.events_named("output_changed") == []


def test_every_plug_is_pulled_and_the_music_goes_on(own: Cluster, tmp_path: Path) -> None:
    listener = own.listener("play", "one", "--output", f"wav:{tmp_path}/o.wav")
    listener.wait_event("playing")
    listener.wait_event("position")  # by now it has read ahead
    os.kill(pid_of(own, "file"), signal.SIGKILL)
    listener.wait_event("moved")
    os.kill(pid_of(own, "auth"), signal.SIGKILL)
    listener.wait_event("session_moved")
    own.kill_prime()
    listener.wait_event("prime", reachable=False)
    listener.wait_event("position")
    prime = own.start_prime()
    listener.wait_event("prime", reachable=True)
    for _ in ("auth", "file"):  # a prime that stops before they are back leaves them to their grace period
        prime.wait_error_line(r"(auth|file)-[0-9a-f]+ registered at")
    listener.wait_event("position")
    _stops_after_no_gap(listener, tmp_path / "o.wav")


def test_a_drained_node_is_left(own: Cluster, tmp_path: Path) -> None:
    listener = own.listener("play", "one", "--output", f"wav:{tmp_path}/o.wav")
    first = listener.wait_event("opened")["source"]
    listener.wait_event("position")
    assert own.control("drain", first).returncode == 0
    moved = listener.wait_event("moved")
    assert moved["from"] == first
    assert moved["to"] != first
    _stops_after_no_gap(listener, tmp_path / "o.wav")


def _stops_after_no_gap(listener: Listener, wav: Path) -> None:
    listener.command("stop")
    assert listener.wait_exit() == 0
    assert listener.events_named("stalled") == []
    assert heard(wav, LONG) == listener.events_named("ended")[-1]["frames"]


def test_the_projects_own_music_is_there(tmp_path: Path) -> None:
    with Cluster(tmp_path, *QUICK, music=ROOT / "music") as cluster:
        tracks = json.loads(cluster.user("list", "--json").stdout)
        assert len(tracks) == 3
        assert all(track["problem"] == "" for track in tracks)
        assert any(not track["name"].isascii() for track in tracks)
        for track in tracks:
            assert cluster.user("play", track["name"], "--output", "null", "--fast").returncode == 0
