"""A cluster, one client that plays and two that join it; all through their root scripts, as people start them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.sync.stage import Stage
from tests.kit.simdac import SimDac

ROOT = Path(__file__).resolve().parents[2]
USER, PASSWORD = "Someone", "password123"
PRIME_PORT, PORT = 50001, 25566
START_TIMEOUT_S = 30.0


def play(stage: Stage) -> None:
    """Raises TimeoutError if the host does not come up, ValueError for one that ends."""
    music = stage.folder / "music"
    music.mkdir()
    os.link(stage.song, music / "noise.wav")
    prime: list[str | Path] = [
        "--listen",
        f"{stage.host_address}:{PRIME_PORT}",
        "--data",
        stage.folder / "data",
        "--music",
        music,
        "--demo",
    ]
    home = {"HOME": str(stage.folder), "HOCKET_HOME": str(stage.folder / "home"), "PYTHONUNBUFFERED": "1"}
    ready = stage.run_host(_python("primeNODE.py", *prime), stdout=subprocess.PIPE, env=home)
    _wait_for(ready, lambda line: line.startswith("prime ready"))
    host = stage.run_host(
        _user(stage, "play", "noise", "--output", "null", "--host", f"{stage.host_address}:{PORT}"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=home,
    )
    _say_password(host)
    at = _wait_for(host, lambda line: '"playing"' in line, lambda line: '"hosting"' in line)
    address = json.loads(at)["address"]
    for index in (0, 1):
        join = _user(stage, "join", address, "--device", SimDac.device, "--no-host")
        follower = stage.run_follower(index, join, stdin=subprocess.PIPE, env=home)
        _say_password(follower)


def _python(script: str, *arguments: str | Path) -> list[str | Path]:
    return [sys.executable, ROOT / script, *arguments]


def _user(stage: Stage, *command: str) -> list[str | Path]:
    login = ["--prime", f"{stage.host_address}:{PRIME_PORT}", "--user", USER, "--password-stdin"]
    return _python("user.py", "--headless", *login, "--events", *command)


def _say_password(program: subprocess.Popen[Any]) -> None:
    assert program.stdin is not None
    program.stdin.write(f"{PASSWORD}\n".encode())
    program.stdin.flush()


def _wait_for(program: subprocess.Popen[Any], *wanted: Any) -> str:
    """Read its lines until each was seen; the last one that the last wanted. Its stdout is left to a reader."""
    deadline, missing, found = time.monotonic() + START_TIMEOUT_S, list(wanted), ""
    assert program.stdout is not None
    while missing:
        line = program.stdout.readline().decode()
        if not line or time.monotonic() > deadline:
            raise TimeoutError("a program did not come up")
        for test in [test for test in missing if test(line)]:
            missing.remove(test)
            found = line if test is wanted[-1] else found
    _drain(program)
    return found


def _drain(program: subprocess.Popen[Any]) -> None:
    """Nobody reads further lines: let them go nowhere instead of filling the pipe."""
    import threading

    def read() -> None:
        assert program.stdout is not None
        with program.stdout:
            for _ in program.stdout:
                pass

    threading.Thread(target=read, daemon=True).start()
