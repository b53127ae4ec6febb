"""`controlNODE.py import` as a person uses it: beside a running prime, and interrupted."""

import json
import signal
import sys
from pathlib import Path

from hocket.adapters.importing.placing import PARTIAL_NAME
from tests.kit.cluster import Cluster
from tests.kit.processes import ROOT, Program, run_to_end
from tests.kit.tones import RATE_HZ, encode, noise, tone


def test_music_is_imported_beside_a_running_prime_and_plays(tmp_path: Path) -> None:
    samples = noise(RATE_HZ, 16)
    box = tmp_path / "box"
    box.mkdir()
    encode(box / "song.flac", "flac", samples, sample_format="s16", tags={"title": "A song"})
    (box / "broken.mp3").write_text("no music")
    with Cluster(tmp_path) as cluster:
        done = cluster.control("import", box, "--into", "New ones")
        assert done.returncode == 5
        assert "imported: New ones/box/song.wav" in done.stdout
        assert f"1 track imported into {cluster.music}, 1 not imported" in done.stdout
        assert f"not imported: {box / 'broken.mp3'}: " in done.stderr
        again = cluster.control("import", box / "song.flac", "--into", "New ones/box")
        assert (again.returncode, again.stderr) == (0, "")
        assert "already there: New ones/box/song.wav" in again.stdout
        cluster.until(lambda status: status["tracks"] > 0)  # the watcher lets a file rest for a second
        heard = tmp_path / "heard.wav"
        played = cluster.user("play", "A song", "--output", f"wav:{heard}", "--fast")
        assert played.returncode == 0, played.stderr
        assert samples.tobytes() in heard.read_bytes()
        listed = cluster.user("list", "--json")
        assert [track["title"] for track in json.loads(listed.stdout)] == ["A song"]


def _data_folder(tmp_path: Path) -> Path:
    data, music = tmp_path / "data", tmp_path / "music"
    data.mkdir()
    music.mkdir()
    (data / "lock").touch()
    (data / "music.folder").write_text(f"{music}\n")
    return data


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    data, box = _data_folder(tmp_path), tmp_path / "box"
    box.mkdir()
    encode(box / "a.flac", "flac", tone(100), sample_format="s16")
    encode(box / "long.flac", "flac", noise(RATE_HZ * 20, 16), sample_format="s16")
    long = (box / "long.flac").read_bytes()
    for number in range(40):
        (box / f"more {number}.flac").write_bytes(long)
    command: list[str | Path] = [sys.executable, ROOT / "controlNODE.py", "--data", data, "import", box]
    with Program(command, env={"HOME": str(tmp_path)}, cwd=tmp_path) as program:
        program.wait_line("imported: box/a.wav")
        program.send_signal(signal.SIGINT)
        assert program.wait_exit() == 130
        assert not any("Traceback" in line for line in program.stderr_lines)
    music = tmp_path / "music"
    assert not list(music.rglob(f"{PARTIAL_NAME}*"))
    assert len(list(music.rglob("*.wav"))) < 40


def test_usage_and_nothing_found(tmp_path: Path) -> None:
    data = _data_folder(tmp_path)
    script: list[str | Path] = [sys.executable, ROOT / "controlNODE.py"]

    def run(*arguments: str | Path) -> tuple[int, str]:
        done = run_to_end([*script, *arguments], cwd=tmp_path)
        return done.returncode, done.stderr

    assert run("--data", data, "import") == (
        2,
        "error: import needs a PATH\nhint: name audio files, or folders with audio files",
    )
    code, text = run("--data", data, "import", tmp_path / "nothing.flac")
    assert code == 5
    assert "there is no audio to import" in text
    assert run("--data", tmp_path, "import", tmp_path)[0] == 5
    assert run("--prime", "127.0.0.1:1", "import", tmp_path)[0] == 2
    code, text = run("--data", data, "import", tmp_path, "--into", "../out")
    assert code == 2
    assert "never lead out" in text
    (tmp_path / "music").rmdir()
    code, text = run("--data", data, "import", tmp_path)
    assert code == 3
    assert "is not there" in text
