"""The streaming node's sockets against nginx, in one run: throughput, CPU a byte, memory a listener.

    python -m benchmarks.streaming [--rounds 5] [--listeners 500]

Needs nginx on the PATH. Rounds alternate between the rivals and medians are printed: these machines are
noisy. Both sides send with the same send buffer and congestion control (reno, if this may be set; BBR's
pacing costs a lone loopback sender several times the CPU).
"""

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hocket.adapters.processes import usage
from hocket.adapters.streaming.server import SEND_BUFFER_BYTES
from hocket.adapters.tls import Credentials, listener_context
from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role, TrackId
from hocket.wire import codec, limits
from hocket.wire.hello import NONCE_BYTES, Hello
from hocket.wire.messages.tracks import OpenTrack, Read
from tests.kit.identities import credentials

NODE = NodeId("file-000000000001")
SONG = TrackId("5" * 64)
SONG_BYTES = 1024 * 1024 * 1024
PIECE_BYTES = 1024 * 1024
IN_FLIGHT = 4


async def serve(path: Path, plain: bool) -> None:
    """The process under test: a StreamServer that opens one file for everybody."""
    from hocket.adapters.clocks import SystemClock
    from hocket.adapters.streaming import Connection, OpenFile, OpenFiles, StreamServer
    from hocket.adapters.tls import server_context
    from hocket.core.track import Track
    from hocket.wire.message import Message
    from hocket.wire.messages.tracks import TrackOpened

    track = Track(SONG, "song.wav", "song", size_bytes=path.stat().st_size)  # noqa: ASYNC240
    files = OpenFiles(lambda wanted: os.open(path, os.O_RDONLY))

    class Service:
        def answer(self, connection: Connection, message: Message) -> Message | None:
            connection.user_data = files.take(track)
            connection.due_s = float("inf")
            return TrackOpened(1, track)

        def file_for(self, connection: Connection, read: Read) -> OpenFile:
            assert isinstance(connection.user_data, OpenFile)
            return connection.user_data

        def closed(self, connection: Connection) -> None: ...

    context = None if plain else server_context(credentials(Role.FILE, NODE))
    server = StreamServer(NODE, Service(), files, SystemClock(), context, 100_000)
    print(
        await server.start(HostPort("127.0.0.1", 0)),
        credentials(Role.FILE, NODE).authority.replace("\n", "|"),
        flush=True,
    )
    await asyncio.Event().wait()


@contextlib.contextmanager
def our_server(path: Path, plain: bool) -> Iterator[tuple[int, HostPort, str]]:
    argv = [sys.executable, "-m", "benchmarks.streaming", "--serve", str(path), *(["--plain"] if plain else [])]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address, _, authority = process.stdout.readline().partition(" ")
            yield process.pid, HostPort.parse(address), authority.replace("|", "\n")
        finally:
            process.kill()


NGINX = """
worker_processes 1; daemon off; error_log stderr crit; pid {home}/pid;
events {{ worker_connections 4096; }}
http {{ access_log off; sendfile on; tcp_nopush on; sendfile_max_chunk 1m; keepalive_requests 1000000;
  client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home}; uwsgi_temp_path {home};
  scgi_temp_path {home};
  server {{ listen 127.0.0.1:{port} sndbuf={sndbuf}{tls}; root {root}; }} }}
"""


@contextlib.contextmanager
def nginx(path: Path, plain: bool, home: Path) -> Iterator[tuple[int, HostPort]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home.mkdir(exist_ok=True)
    own: Credentials = credentials(Role.FILE, NODE)
    (home / "node.pem").write_text(own.certificate)
    (home / "node.key").write_text(own.key)
    tls = (
        ""
        if plain
        else f" ssl; ssl_protocols TLSv1.3; ssl_certificate {home}/node.pem; ssl_certificate_key {home}/node.key"
    )
    (home / "nginx.conf").write_text(
        NGINX.format(home=home, port=port, root=path.parent, tls=tls, sndbuf=SEND_BUFFER_BYTES)
    )
    with subprocess.Popen(["nginx", "-p", str(home), "-c", str(home / "nginx.conf")]) as process:
        try:
            worker = _worker_of(process.pid)
            yield worker, HostPort("127.0.0.1", port)
        finally:
            process.terminate()


def _worker_of(master: int) -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        if children:
            return int(children[0])
    raise SystemExit("nginx has no worker")


def connect(address: HostPort, authority: str) -> socket.socket:
    sock: socket.socket = socket.create_connection((address.host, address.port))
    if authority:
        context = listener_context(authority)
        sock = context.wrap_socket(sock)
    return sock


def begin(sock: socket.socket) -> None:
    sock.sendall(codec.encode(Hello(1, 1, Role.LISTENER, NodeId(""), bytes(NONCE_BYTES))))
    sock.sendall(codec.encode(OpenTrack(SONG), 1))
    decoder = codec.Decoder(limits.MAX_CONTROL_BODY_BYTES)
    frames: list[codec.Frame] = []
    while len(frames) < 2:
        frames += decoder.feed(sock.recv(65536))


def pull_ours(address: HostPort, authority: str) -> float:
    """Read the whole song with several reads in flight; the seconds it took."""
    with connect(address, authority) as sock:
        begin(sock)
        pieces = SONG_BYTES // PIECE_BYTES
        began = time.perf_counter()
        for number in range(IN_FLIGHT):
            sock.sendall(codec.encode(Read(1, number * PIECE_BYTES, PIECE_BYTES), number + 1))
        left, asked, buffer = pieces * (PIECE_BYTES + limits.HEADER_BYTES), IN_FLIGHT, bytearray(1 << 20)
        got = 0
        while got < left:
            got += sock.recv_into(buffer)
            while asked < pieces and asked * PIECE_BYTES < got + IN_FLIGHT * PIECE_BYTES:
                sock.sendall(codec.encode(Read(1, asked * PIECE_BYTES, PIECE_BYTES), asked + 1))
                asked += 1
        return time.perf_counter() - began


def pull_nginx(address: HostPort, authority: str, name: str) -> float:
    with connect(address, authority) as sock:
        buffer = bytearray(1 << 20)
        began = time.perf_counter()
        sock.sendall(f"GET /{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        got = 0
        while count := sock.recv_into(buffer):
            got += count
        assert got > SONG_BYTES
        return time.perf_counter() - began


def compare(path: Path, home: Path, plain: bool, rounds: int) -> None:
    ours, theirs = [], []
    with our_server(path, plain) as (pid, address, authority), nginx(path, plain, home) as (worker, other):
        authority = "" if plain else authority
        pinned = "" if plain else credentials(Role.FILE, NODE).authority
        for number in range(rounds + 1):
            before = usage(pid)
            seconds = pull_ours(address, authority)
            after = usage(pid)
            assert before
            assert after
            rival_before = usage(worker)
            rival_seconds = pull_nginx(other, pinned, path.name)
            rival_after = usage(worker)
            assert rival_before
            assert rival_after
            if number:  # the first warms up
                ours.append((seconds, after.cpu_s - before.cpu_s))
                theirs.append((rival_seconds, rival_after.cpu_s - rival_before.cpu_s))
    kind = "plain" if plain else "TLS"
    gigabytes = SONG_BYTES / 1e9
    mine_s, mine_cpu = (statistics.median(column) for column in zip(*ours, strict=True))
    rival_s, rival_cpu = (statistics.median(column) for column in zip(*theirs, strict=True))
    print(
        f"{kind}: ours {gigabytes / mine_s:.2f} GB/s, {mine_cpu / gigabytes:.2f} CPU-s/GB; "
        f"nginx {gigabytes / rival_s:.2f} GB/s, {rival_cpu / gigabytes:.2f} CPU-s/GB; "
        f"throughput x{rival_s / mine_s:.2f}, CPU x{mine_cpu / rival_cpu:.2f}"
    )


def _socket_memory() -> int:
    pages = next(line for line in Path("/proc/net/sockstat").read_text().splitlines() if line.startswith("TCP:"))
    return int(pages.split()[-1]) * os.sysconf("SC_PAGE_SIZE")


def memory(path: Path, plain: bool, listeners: int) -> None:
    with our_server(path, plain) as (pid, address, authority), contextlib.ExitStack() as stack:
        authority = "" if plain else authority
        context = None if plain else listener_context(authority)

        def more(count: int) -> list[socket.socket]:
            socks = []
            for _ in range(count):
                sock: socket.socket = socket.socket()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.connect((address.host, address.port))
                if context is not None:
                    sock = context.wrap_socket(sock)
                stack.enter_context(sock)
                begin(sock)
                socks.append(sock)
            return socks

        more(20)
        empty = usage(pid)
        socks = more(listeners)
        idle, kernel_idle = usage(pid), _socket_memory()
        for sock in socks:
            for number in range(4):
                sock.sendall(codec.encode(Read(1, 0, PIECE_BYTES), number + 1))
        probe = more(1)[0]
        probe.close()
        time.sleep(1.0)
        stalled, kernel = usage(pid), _socket_memory()
        assert empty
        assert idle
        assert stalled
        kind = "plain" if plain else "TLS"
        print(
            f"{kind}: {empty.rss_bytes / 1e6:.1f} MB with 20 listeners; one more costs "
            f"{(idle.rss_bytes - empty.rss_bytes) / listeners / 1024:.1f} KiB idle, "
            f"{(stalled.rss_bytes - empty.rss_bytes) / listeners / 1024:.1f} KiB stalled, "
            f"and {(kernel - kernel_idle) / listeners / 1024:.0f} KiB of the kernel's when stalled (both ends)"
        )


@contextlib.contextmanager
def same_congestion_control() -> Iterator[None]:
    knob = Path("/proc/sys/net/ipv4/tcp_congestion_control")
    before = knob.read_text()
    try:
        knob.write_text("reno")
    except OSError:
        print(f"congestion control stays {before.strip()} for both")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            knob.write_text(before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--listeners", type=int, default=500)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve(args.serve, args.plain))
        return
    with tempfile.TemporaryDirectory() as folder, same_congestion_control():
        path = Path(folder) / "song.wav"
        path.write_bytes(os.urandom(1 << 20) * (SONG_BYTES >> 20))
        Path(folder).chmod(0o755)
        for plain in (True, False):
            compare(path, Path(folder) / "nginx", plain, args.rounds)
            memory(path, plain, args.listeners)


if __name__ == "__main__":
    main()
