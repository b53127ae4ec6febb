"""Copies between two machines against an rsync daemon, in one run: speed, CPU, memory, a run with nothing to do.

    python -m benchmarks.replication [--rounds 5] [--megabytes 40]

Needs rsync on the PATH. A real prime holds ten WAV files, a real plane on the same machine loses its copies
and gets them back, again and again; rounds alternate with rsync's, and medians are printed. Both verify what
they copy, flush it to the disk (`--fsync`), and receive with the same low priority. CPU is that of both sides
together. rsync's daemon does not encrypt, and no more do copies within one machine, nor those with `--audio plain`;
what TLS costs is shown beside them: for that the prime listens on 127.0.0.2, which is another machine to a plane that
comes from 127.0.0.1. As root it runs in a network namespace of its own, whose congestion control is reno:
the pacing of BBR costs a lone sender on loopback several times the CPU.
"""

import argparse
import asyncio
import contextlib
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from hocket.adapters.processes import usage
from hocket.adapters.transfer.pool import NICE
from hocket.core.ids import NodeId, TrackId
from tests.adapters.transfer_kit import fetch, holder, id_of, wav
from tests.kit.cluster import Cluster
from tests.nodes.replica_kit import Sites, sites

SONGS = 10
KINDS = {
    "one machine": ("127.0.0.1:0", "tls"),
    "--audio plain": ("127.0.0.2:0", "plain"),
    "encrypted": ("127.0.0.2:0", "tls"),
}
"""Where the prime listens, and its --audio."""

NOTICED_S = 1.3
"""After so long a plane copies what it lost, and rsync begins: a virtual machine's host takes back what memory was
freed, and to be given it again is more work than to copy."""

IN_NAMESPACE = "BENCHMARK_IN_NAMESPACE"
TIMEOUT_S = 120.0


def enter_namespace() -> None:
    """Start again in a network namespace of its own, where that may be done."""
    if IN_NAMESPACE in os.environ or os.geteuid() != 0 or shutil.which("unshare") is None:
        return
    os.environ[IN_NAMESPACE] = "1"
    script = 'ip link set lo up; echo reno > /proc/sys/net/ipv4/tcp_congestion_control; exec "$@"'
    os.execvp("unshare", ["unshare", "-n", "sh", "-c", script, "sh", *sys.orig_argv])


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def cpu_s(pid: int) -> float:
    found = usage(pid)
    return found.cpu_s if found else 0.0


def wait(condition: object, what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not come about")
        time.sleep(0.002)


def heal(cluster: Cluster, theirs: Path, names: set[str], plane_pid: int) -> tuple[float, float]:
    """Take all copies from the plane; (seconds, CPU seconds of both) from the first byte to the last name."""
    aside = theirs.parent / "aside"
    before = cpu_s(cluster.prime.pid) + cpu_s(plane_pid)
    aside.mkdir()
    for path in theirs.glob("*.wav"):
        path.rename(aside / path.name)  # at once: unlinking takes so long that the plane would see two changes
    shutil.rmtree(aside)  # before the copies need memory, as rsync's target goes before
    wait(lambda: any(theirs.glob(".hocket-*.partial")), "a copy")
    began = time.perf_counter()
    wait(lambda: names <= names_in(theirs), "every copy")
    seconds = time.perf_counter() - began
    spent = cpu_s(cluster.prime.pid) + cpu_s(plane_pid) - before
    wait(lambda: cluster.status()["missing_copies"] == 0, "the list of the copies")
    return seconds, spent


def rsync(daemon_pid: int, port: int, target: Path) -> tuple[float, float]:
    shutil.rmtree(target)
    target.mkdir()
    time.sleep(NOTICED_S)
    before, own = _with_children(daemon_pid), resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(
        ["nice", "-n", str(NICE), "rsync", "-a", "--fsync", f"rsync://127.0.0.1:{port}/music/", f"{target}/"],
        check=True,
    )
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    mine = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
    return seconds, mine + _with_children(daemon_pid) - before


def _with_children(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def rsync_daemon(home: Path, music: Path) -> Iterator[tuple[int, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home.mkdir()
    owner = f"uid = {os.getuid()}\ngid = {os.getgid()}\n"
    (home / "rsyncd.conf").write_text(
        f"use chroot = no\nport = {port}\naddress = 127.0.0.1\n{owner}[music]\npath = {music}\n"
    )
    with subprocess.Popen(["rsync", "--daemon", "--no-detach", f"--config={home}/rsyncd.conf"]) as process:
        try:
            wait(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "rsync's daemon")
            yield process.pid, port
        finally:
            process.terminate()


def against_rsync(home: Path, rounds: int, megabytes: int, kind: str) -> None:
    """The median of rounds, for one of KINDS."""
    music, theirs = home / "music", home / "one" / "music"
    music.mkdir()
    names = {f"song {number}.wav" for number in range(SONGS)}
    for number, name in enumerate(sorted(names)):
        (music / name).write_bytes(wav(megabytes * 1_000_000, number))
    ours, rivals = [], []
    address, audio = KINDS[kind]
    made = Cluster(home, "--audio", audio)
    made.address = address
    with made as cluster, rsync_daemon(home / "rsync", music) as (daemon, port):
        plane = cluster.plane("one", token=cluster.token())
        wait(lambda: names <= names_in(theirs), "the first copies")
        (home / "target").mkdir()
        for number in range(rounds + 1):
            mine, rival = heal(cluster, theirs, names, plane.pid), rsync(daemon, port, home / "target")
            if number:  # the first warms up
                ours.append(mine)
                rivals.append(rival)
        peak = _peak_bytes(plane.pid)
        before = _peak_bytes(cluster.prime.pid)
        large = wav(SONGS * megabytes * 1_000_000, 99)
        (music / "large.wav").write_bytes(large)
        wait((theirs / "large.wav").exists, "the large copy")
        wait(lambda: cluster.status()["missing_copies"] == 0, "the list of the large copy")
        print(
            f"{kind}: peak memory after files of {megabytes} MB, then one of {SONGS * megabytes} MB: "
            f"plane {peak / 1e6:.1f}, {_peak_bytes(plane.pid) / 1e6:.1f} MB; "
            f"prime {before / 1e6:.1f}, {_peak_bytes(cluster.prime.pid) / 1e6:.1f} MB"
        )
    size = SONGS * megabytes / 1000
    mine_s, mine_cpu = (statistics.median(column) for column in zip(*ours, strict=True))
    rival_s, rival_cpu = (statistics.median(column) for column in zip(*rivals, strict=True))
    print(
        f"{kind}: ours {size / mine_s:.2f} GB/s, {mine_cpu / size:.2f} CPU-s/GB; "
        f"rsync {size / rival_s:.2f} GB/s, {rival_cpu / size:.2f} CPU-s/GB"
    )
    print(f"{kind}: speed x{rival_s / mine_s:.2f}, CPU x{mine_cpu / rival_cpu:.2f}")


def _peak_bytes(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _all_known(made: Sites, track: TrackId, machines: set[NodeId]) -> bool:
    return made.librarian.holders(track) == machines and made.is_idle


async def nothing_to_do(home: Path, files: int) -> None:
    """Two machines with the same files start again: look at both folders, exchange lists, find nothing to do."""
    for number in (1, 2):
        (home / f"music-{number}").mkdir()
        for song in range(files):
            (home / f"music-{number}" / f"{song}.wav").write_bytes(wav(1000, song))
    for again in range(2):
        async with sites(home) as made:
            began = time.perf_counter()
            both = {(await made.add(number)).node for number in (1, 2)}
            await made.until(partial(_all_known, made, id_of(wav(1000, files - 1)), both))
            if again:
                print(f"nothing to do over {files} files: {time.perf_counter() - began:.3f} s")


async def loop_lag(home: Path, megabytes: int) -> None:
    """How long the event loop of a receiving process is held up."""
    data = wav(megabytes * 1_000_000)
    song, ours = home / "song.wav", home / "ours"
    song.write_bytes(data)
    ours.mkdir()
    lags = []
    async with holder({id_of(data): song}) as source:
        job = fetch(source.order(id_of(data), "song.wav", len(data)), ours)
        copying = asyncio.create_task(asyncio.to_thread(job.run))
        while not copying.done():
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - began - 0.001)
        await copying
    lags.sort()
    print(
        f"event loop while sending and receiving: late by {lags[len(lags) // 2] * 1e3:.2f} ms in the median, "
        f"{lags[int(len(lags) * 0.99)] * 1e3:.1f} ms at 99 %, {lags[-1] * 1e3:.1f} ms at most"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=40, help="size of each of the ten files")
    parser.add_argument("--files", type=int, default=2000)
    given = parser.parse_args()
    enter_namespace()
    with tempfile.TemporaryDirectory() as home:
        for part in ("nothing", "lag"):
            (Path(home) / part).mkdir()
        asyncio.run(nothing_to_do(Path(home) / "nothing", given.files))
        asyncio.run(loop_lag(Path(home) / "lag", SONGS * given.megabytes))
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as home:
            against_rsync(Path(home), given.rounds, given.megabytes, kind)


if __name__ == "__main__":
    main()
