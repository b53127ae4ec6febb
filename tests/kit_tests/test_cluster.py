"""The cluster helper, on small programs that keep (or break) the contract."""

import re
import signal
import textwrap
from pathlib import Path

import pytest

from tests.kit import proc
from tests.kit.cluster import Cluster
from tests.kit.processes import ProgramError

PRIME = """
import os, signal, subprocess, sys

arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
host, _, port = arguments["--listen"].rpartition(":")
sleeper = "import signal; signal.pause()"
child = subprocess.Popen([sys.executable, "-c", sleeper], start_new_session=True)
with open(arguments["--data"] + "/child", "w") as file:
    file.write(str(child.pid))

def stop(*_):
    if "--careless" not in sys.argv:
        child.kill()
    sys.exit(5 if "--failing" in sys.argv else 0)

signal.signal(signal.SIGTERM, stop)
print(f"prime ready {host}:{port if port != '0' else 4711}", flush=True)
while True:
    signal.pause()
"""

USER = """
import json, os, sys

def tell(event, **fields):
    print(json.dumps({"event": event, "t": 0.5, **fields}), flush=True)

password = sys.stdin.readline().strip()
if password != "password123":
    print("error: refused", file=sys.stderr)
    sys.exit(3)
if "--events" not in sys.argv:
    print(*sys.argv[1:], os.environ["HOME"])
    sys.exit()
tell("logged_in")
print("not an event")
tell("position", frame=0)
tell("position", frame=44100)
for line in sys.stdin:
    tell({"pause": "paused", "stop": "ended"}[line.strip()])
    if line.strip() == "stop":
        break
"""

CONTROL = """
import json, sys
print(json.dumps({"listeners": 1, "nodes": [{"role": "auth", "load": 1}, {"role": "file"}], "arguments": sys.argv[1:]}))
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir()
    for name, code in (("primeNODE.py", PRIME), ("user.py", USER), ("controlNODE.py", CONTROL)):
        (folder / name).write_text(textwrap.dedent(code))
    return folder


def _child(cluster: Cluster) -> int:
    return int((cluster.data / "child").read_text())


def test_a_cluster_comes_and_goes(tmp_path: Path, scripts: Path) -> None:
    with Cluster(tmp_path, scripts=scripts) as cluster:
        assert cluster.address == "127.0.0.1:4711"
        child = _child(cluster)
        assert set(cluster.pids()) == {cluster.prime.pid, child}
    assert not proc.alive(child)
    assert cluster.pids() == []


def test_events_are_waited_for_and_commands_heard(tmp_path: Path, scripts: Path) -> None:
    with Cluster(tmp_path, scripts=scripts) as cluster:
        listener = cluster.listener("play", "Song", "--output", "null")
        listener.wait_event("logged_in")
        assert listener.wait_event("position", frame=44100)["t"] == 0.5
        listener.command("pause")
        listener.wait_event("paused")
        assert [event["frame"] for event in listener.events_named("position")] == [0, 44100]
        with pytest.raises(ProgramError, match=r"not an event resumed .*in 0\.1 s"):
            listener.wait_event("resumed", timeout_s=0.1)
        listener.command("stop")
        listener.wait_event("ended")
        assert listener.wait_exit() == 0


def test_programs_run_to_their_end(tmp_path: Path, scripts: Path) -> None:
    with Cluster(tmp_path, scripts=scripts) as cluster:
        done = cluster.user("list")
        flags = "--headless --prime 127.0.0.1:4711 --user Someone --password-stdin list"
        assert done.stdout == f"{flags} {tmp_path / 'home'}"
        assert cluster.user("list", password="wrong").returncode == 3
        assert cluster.status()["arguments"] == ["--data", str(cluster.data), "status", "--json"]
        assert cluster.nodes("auth") == [{"role": "auth", "load": 1}]
        assert cluster.until(lambda status: status["listeners"] == 1)["arguments"][-2:] == ["--json", "--watch"]
        with pytest.raises(ProgramError, match="ended before the status that was waited for"):
            cluster.until(lambda status: status["listeners"] == 2)


def test_a_killed_prime_comes_back_at_its_address(tmp_path: Path, scripts: Path) -> None:
    with Cluster(tmp_path, scripts=scripts) as cluster:
        orphan = _child(cluster)
        cluster.kill_prime()
        assert proc.alive(orphan)
        first = cluster.address
        cluster.start_prime()
        assert cluster.address == first
        assert orphan in cluster.pids()
        cluster.kill_prime()
    assert not proc.alive(orphan)


@pytest.mark.parametrize(("flag", "complaint"), [("--careless", "outlived by .*signal.pause"), ("--failing", "code 5")])
def test_a_prime_that_breaks_its_promise_fails_the_test(
    flag: str, complaint: str, tmp_path: Path, scripts: Path
) -> None:
    cluster = Cluster(tmp_path, flag, "on", scripts=scripts)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ProgramError, match=complaint), cluster:
        patch.setattr("tests.kit.cluster.STOP_TIMEOUT_S", 0.3)
    assert cluster.pids() == []


def test_a_failing_test_keeps_its_own_error(tmp_path: Path, scripts: Path) -> None:
    with pytest.raises(ValueError, match="the test's own"), Cluster(tmp_path, "--failing", "on", scripts=scripts):
        raise ValueError("the test's own")


def test_a_prime_that_does_not_start_tells_why(tmp_path: Path, scripts: Path) -> None:
    (scripts / "primeNODE.py").write_text("import sys; print('error: port busy', file=sys.stderr); sys.exit(3)")
    with pytest.raises(ProgramError, match=re.compile("exit code: 3.*port busy", re.DOTALL)):
        Cluster(tmp_path, scripts=scripts).__enter__()


def test_signals_reach_listeners(tmp_path: Path, scripts: Path) -> None:
    with Cluster(tmp_path, scripts=scripts) as cluster:
        listener = cluster.listener("play", "Song")
        listener.wait_event("logged_in")
        listener.send_signal(signal.SIGKILL)
        assert listener.wait_exit() == -signal.SIGKILL
