"""What goes wrong for a listener: the exit code that scripts rely on, and words that help a person."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.kit import samples_of
from tests.kit.cluster import Cluster
from tests.kit.fakecluster import make_song
from tests.kit.ports import busy_port, free_port
from tests.kit.processes import ROOT, run_to_end
from tests.system.kit import QUICK

SONG = make_song("one.wav", 60.0)
OTHER = make_song("another one.wav", 0.2)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "music").mkdir()
    (folder / "music" / "one.wav").write_bytes(SONG.content)
    (folder / "music" / "another one.wav").write_bytes(OTHER.content)
    (folder / "music" / "broken.wav").write_bytes(b"ID3\x03 this is no wav")
    with Cluster(folder, *QUICK) as cluster:
        yield cluster


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["play", "nothing like that"], 5, "no track is called"),
        (["play", "on"], 2, "say more"),
        (["play", "broken"], 5, "cannot be played"),
        (["play", "one.wav", "--output", "wav:/nowhere/o.wav"], 3, "cannot write /nowhere/o.wav"),
        (["play", "one.wav", "--output", "gramophone"], 2, "take speakers, null or wav:PATH"),
        (["play", "one.wav", "--device", "no such card"], 5, "sound device"),
        (["play"], 2, "TRACK"),
        (["play", "one.wav", "--from", "-3"], 2, "--from"),
        (["dance"], 2, "dance"),
        (["list", "--sear", "x"], 2, "--search"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_wishes(command: list[str], code: int, words: str, served: Cluster) -> None:
    done = served.user(*command)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_is_an_event_too(served: Cluster) -> None:
    done = served.user("--events", "play", "nothing like that")
    assert done.returncode == 5
    assert '"event":"error"' in done.stdout.splitlines()[-1]
    assert '"code":"TRACK_MISSING"' in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(("user", "password"), [("Someone", "not this one"), ("Nobody", "password123")])
def test_a_refused_log_in(user: str, password: str, served: Cluster) -> None:
    done = served.user("list", user=user, password=password)
    assert done.returncode == 3
    assert "wrong user name or password" in done.stderr
    assert password not in done.stderr


def test_a_disabled_account(tmp_path: Path) -> None:
    with Cluster(tmp_path, *QUICK) as cluster:
        added = cluster.control("users", "add", "Ann", "--password-stdin", stdin="a long password\n")
        assert added.returncode == 0, added.stderr
        assert cluster.user("list", user="Ann", password="a long password").returncode == 0
        assert cluster.control("users", "disable", "Ann").returncode == 0
        assert cluster.user("list", user="Ann", password="a long password").returncode == 3


def test_a_full_cluster(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "one.wav").write_bytes(OTHER.content)
    with Cluster(tmp_path, *QUICK, "--max-load", "1") as cluster:
        done = cluster.user("play", "one", "--output", "null")  # the only place goes to the authentication node
        assert done.returncode == 6, done.stderr


def test_nobody_at_the_address() -> None:
    address = f"127.0.0.1:{free_port()}"
    done = _without_cluster(address)
    assert done == (4, f"error: {address} cannot be reached: connection refused")


def test_somebody_who_says_nothing_or_something_else() -> None:
    with busy_port() as port:
        code, words = _without_cluster(f"127.0.0.1:{port}")
        assert (code, "did not answer" in words) == (4, True)
    with _Babbler() as port:
        assert _without_cluster(f"127.0.0.1:{port}")[0] == 4


class _Babbler:
    """Answers every connection with a web page."""

    def __enter__(self) -> int:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return int(self._socket.getsockname()[1])

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n<html>\r\n")

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def _without_cluster(address: str, *more: str) -> tuple[int, str]:
    """Exit code and first line of stderr."""
    command = [sys.executable, str(ROOT / "user.py"), "--headless", "--prime", address, "--user", "x"]
    done = run_to_end([*command, "--password-stdin", *more, "list"], stdin="y\n", env={"HOCKET_HOME": os.devnull + "x"})
    return done.returncode, done.stderr.splitlines()[0]


@pytest.mark.parametrize("address", ["", "host:99999", "hocket://h:1#abc", "::1:5"])
def test_what_is_no_address(address: str) -> None:
    assert _without_cluster(address)[0] == 2


def test_no_password_and_nobody_to_ask(served: Cluster) -> None:
    flags = [flag for flag in served.login_flags() if flag != "--password-stdin"]
    done = run_to_end([sys.executable, ROOT / "user.py", *flags, "list"], env=served.env)
    assert done.returncode == 2
    assert "--password-stdin" in done.stderr
    empty = run_to_end([sys.executable, ROOT / "user.py", *served.login_flags(), "list"], env=served.env)
    assert empty.returncode == 2
    assert "no password on standard input" in empty.stderr


def test_the_window_without_a_display(served: Cluster) -> None:
    nowhere = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "QT_QPA_PLATFORM": ""}
    done = run_to_end([sys.executable, ROOT / "user.py"], env={**served.env, **nowhere})
    assert done.returncode == 2
    assert "--headless" in done.stderr


def test_a_changed_fingerprint_and_the_way_out(tmp_path: Path) -> None:
    home = tmp_path / "listener"
    with Cluster(tmp_path / "first", *QUICK) as first:
        address = first.address
        assert first.user("--home", home, "list").returncode == 0
    second = Cluster(tmp_path / "second", *QUICK)
    second.address = address
    with second:
        refused = second.user("--home", home, "list")
        assert refused.returncode == 3
        assert f"user.py forget {address}" in refused.stderr
        forgotten = run_to_end([sys.executable, ROOT / "user.py", "--home", home, "forget", address])
        assert forgotten.returncode == 0, forgotten.stderr
        assert second.user("--home", home, "list").returncode == 0
        again = run_to_end([sys.executable, ROOT / "user.py", "--home", home, "forget", "127.0.0.1:1"])
        assert again.returncode == 5


def test_an_invitation_brings_the_fingerprint(served: Cluster, tmp_path: Path) -> None:
    invitation = served.control("invite").stdout.strip()
    assert invitation.startswith("hocket://")
    command: list[str | Path] = [
        sys.executable,
        ROOT / "user.py",
        "--headless",
        "--user",
        "Someone",
        "--password-stdin",
        "list",
    ]
    right = run_to_end([*command, "--prime", invitation, "--home", tmp_path], stdin="password123\n")
    assert right.returncode == 0, right.stderr
    wrong = invitation[:-1] + ("0" if invitation[-1] != "0" else "1")
    refused = run_to_end([*command, "--prime", wrong, "--home", tmp_path / "other"], stdin="password123\n")
    assert refused.returncode == 3
    assert "fingerprint" in refused.stderr


def test_a_damaged_list_of_clusters(served: Cluster, tmp_path: Path) -> None:
    (tmp_path / "known_clusters.json").write_text("{")
    done = served.user("--home", tmp_path, "list")
    assert done.returncode == 3
    assert "known_clusters.json" in done.stderr


def test_a_track_that_goes_away_while_it_plays(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    file = tmp_path / "music" / "one.wav"
    file.write_bytes(SONG.content)
    with Cluster(tmp_path, *QUICK) as cluster:
        wav = tmp_path / "o.wav"
        listener = cluster.listener("play", "one", "--output", f"wav:{wav}")
        listener.wait_event("playing")
        file.unlink()
        (node,) = cluster.nodes("file")
        os.kill(node["pid"], signal.SIGKILL)  # it had the file open, and would have played it to its end
        listener.command("seek 50")
        assert listener.wait_event("error")["code"] == "PLAYBACK_LOST"
        assert listener.wait_exit() == 7
        assert SONG.samples.startswith(samples_of(wav))


def test_who_reads_the_events_may_go_away(served: Cluster) -> None:
    command = " ".join([sys.executable, str(ROOT / "user.py"), *served.login_flags(), "--events", "play", "one.wav"])
    script = f"set -o pipefail; echo password123 | {command} --output null | head -n 1"
    done = run_to_end(["bash", "-c", script], env=served.env, timeout_s=30)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
