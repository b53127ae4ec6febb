import json
import sys

import pytest

from tests.kit import cbuild
from tests.kit.needs import lacking
from tests.kit.processes import Program, run_to_end
from tests.kit.skewclock import SkewClock

# True time comes by system call, which no preloaded library sees; clock_gettime: 228 on x86-64, 113 elsewhere.
TRUE_TIME = """
import ctypes, json, platform, struct, sys, time
_libc = ctypes.CDLL(None)
_number = 228 if platform.machine() == "x86_64" else 113
def true_ns(clock):
    spec = (ctypes.c_int64 * 2)()
    assert _libc.syscall(_number, clock, spec) == 0
    return spec[0] * 10**9 + spec[1]
def ahead_ns(clock):
    "How far the clock is ahead of true time: the reading that was least disturbed out of 20."
    readings = [(true_ns(clock), time.clock_gettime_ns(clock), true_ns(clock)) for _ in range(20)]
    return min((after - before, shown - (before + after) // 2) for before, shown, after in readings)[1]
def wait_truly(seconds):
    end = true_ns(1) + int(seconds * 1e9)
    while true_ns(1) < end:
        time.sleep(0.01)
"""


@pytest.fixture(autouse=True)
def a_compiler() -> None:
    try:
        cbuild.shared_library("skewclock")
    except cbuild.BuildFailed as missing:
        lacking(str(missing))


def answer(clock: SkewClock, script: str) -> dict[str, float]:
    done = run_to_end([sys.executable, "-c", TRUE_TIME + script], env=clock.env)
    assert done.returncode == 0, done.stderr
    told: dict[str, float] = json.loads(done.stdout)
    return told


def test_every_clock_of_a_python_process_drifts_by_the_given_ppm() -> None:
    script = """
clocks = dict(real=0, monotonic=1, raw=4, boot=7, cpu=2)
first, began = {name: ahead_ns(clock) for name, clock in clocks.items()}, true_ns(1)
wait_truly(0.5)
s = (true_ns(1) - began) / 1e9
told = {name: (ahead_ns(clock) - first[name]) / s / 1e3 for name, clock in clocks.items()}
told["time"] = (time.time_ns() - true_ns(0)) / 1e9
told["monotonic_s"] = time.monotonic() - true_ns(1) / 1e9
print(json.dumps(told))
"""
    with SkewClock(ppm=1000, since_s=1000) as clock:
        told = answer(clock, script)
    for name in ("real", "monotonic", "raw", "boot"):
        assert told[name] == pytest.approx(1000, abs=100), name
    assert told["cpu"] == pytest.approx(0, abs=100)
    # 1,000 ppm for 1,000 s are 1 s.
    assert told["time"] == pytest.approx(1.0, abs=0.2)
    assert told["monotonic_s"] == pytest.approx(1.0, abs=0.2)


def test_deadlines_are_kept_however_far_the_clock_is_off() -> None:
    script = """
import asyncio, queue, subprocess, threading
def took(wait):
    began = true_ns(1); wait(); return (true_ns(1) - began) / 1e9
lock = threading.Lock(); lock.acquire()
def expires():
    try: subprocess.run(["sleep", "30"], timeout=0.2)
    except subprocess.TimeoutExpired: pass
def gets():
    try: queue.Queue().get(timeout=0.2)
    except queue.Empty: pass
def switches():
    "Two threads that share the interpreter wait for each other's turn with a deadline."
    stop = threading.Event()
    other = threading.Thread(target=lambda: [None for _ in iter(stop.is_set, True)])
    other.start()
    for _ in range(10): sum(range(20000))
    stop.set(); other.join()
print(json.dumps({
    "lock": took(lambda: lock.acquire(timeout=0.2)),
    "event": took(lambda: threading.Event().wait(0.2)),
    "queue": took(gets),
    "subprocess": took(expires),
    "asyncio": took(lambda: asyncio.run(asyncio.sleep(0.2))),
    "sleep": took(lambda: time.sleep(0.2)),
    "threads": 0.2 + took(switches),
}))
"""
    for ppm in (5000, -5000):
        with SkewClock(ppm=ppm, since_s=36_000) as clock:  # three minutes off
            told = answer(clock, script)
        assert len(told) == 7
        for name, seconds in told.items():
            assert 0.19 < seconds < 10, name


def test_kernel_stamps_of_received_data_are_on_the_bent_clock() -> None:
    script = """
import socket
one, two = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("127.0.0.1", 0))
one.setsockopt(socket.SOL_SOCKET, 35, 1)
two.sendto(b"x", one.getsockname())
_, parts, _, _ = one.recvmsg(10, 1000)
(seconds, ns), = [struct.unpack("qq", data) for level, kind, data in parts if (level, kind) == (socket.SOL_SOCKET, 35)]
print(json.dumps({"behind_s": (time.time_ns() - seconds * 10**9 - ns) / 1e9}))
"""
    with SkewClock(ppm=5000, since_s=3600, wall_offset_s=86_400) as clock:
        assert -0.001 < answer(clock, script)["behind_s"] < 2


def test_a_jump_of_the_calendar_reaches_a_running_program_and_its_children() -> None:
    script = """
import subprocess
print(round((time.time_ns() - true_ns(0)) / 1e9), flush=True)
for line in sys.stdin:
    print(round((time.time_ns() - true_ns(0)) / 1e9), round((time.monotonic_ns() - true_ns(1)) / 1e9), flush=True)
    subprocess.run([sys.executable, "-c", "import time; print('child', time.time(), flush=True)"])
"""
    with SkewClock(wall_offset_s=-60) as clock, Program([sys.executable, "-c", TRUE_TIME + script], env=clock.env) as p:
        assert p.wait_line("^-?\\d+$").group() == "-60"
        plain = run_to_end([sys.executable, "-c", "import time; print(time.time())"])
        clock.jump(3600)
        p.write_line("go")
        assert p.wait_line("^-?\\d+ -?\\d+$").group() == "3540 0"
        assert float(p.wait_line("^child (.*)$").group(1)) - float(plain.stdout) == pytest.approx(3540, abs=20)


def test_a_missing_file_stops_the_program_instead_of_leaving_its_clocks_true() -> None:
    with SkewClock() as clock:
        env = clock.env
    done = run_to_end([sys.executable, "-c", "print('ran')"], env=env)
    assert done.returncode == 127
    assert "SKEWCLOCK" in done.stderr
    assert not done.stdout
