"""What 50 planes and 300 nodes cost their prime in heartbeats: a real prime, real TLS connections.

python -m benchmarks.heartbeats [--planes 50] [--children 6] [--seconds 10] [--rounds 5]

The prime's CPU with nobody registered is measured first and told apart; the machine's load stands beside each figure,
because a prime that shares its core with others loses its caches at every wake-up.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from hocket.adapters import link as links
from hocket.adapters.authority import Authority
from hocket.adapters.datafolder import DataFolder
from hocket.adapters.link import Link
from hocket.adapters.processes import usage
from hocket.adapters.tls import node_client_context
from hocket.core.address import HostPort
from hocket.core.errors import HocketError
from hocket.core.ids import NodeId, Role
from hocket.core.settings import HEARTBEAT_S
from hocket.wire.message import Message
from hocket.wire.messages.nodes import Heartbeat, HeartbeatHeard, Register, Registered

ROOT = Path(__file__).parents[1]


class Nobody:
    async def on_message(self, link: Link, message: Message) -> Message | None:
        return None

    def on_closed(self, link: Link, error: HocketError) -> None: ...


async def join(authority: Authority, address: HostPort, role: Role, node: NodeId, parent: NodeId) -> Link:
    context = node_client_context(authority.issue(role, node))
    link = await links.connect(address, context, links.hello(role, node), Nobody(), expect=(Role.PRIME, None))
    await link.request(Register(node, parent, HostPort("127.0.0.1", 9), 1, 6, 0), Registered)
    return link


async def beat(link: Link, delay_s: float, load: int) -> None:
    """Heartbeats for ever, when the prime asks for them, as `hocket.nodes.uplink` sends them."""
    await asyncio.sleep(delay_s)
    while True:
        heard = await link.request(Heartbeat(load), HeartbeatHeard)
        await asyncio.sleep(heard.next_in_s or HEARTBEAT_S)


async def shares(pid: int, rounds: int, seconds: float) -> list[float]:
    """A process's share of a core, in each of some rounds."""
    found = []
    for _ in range(rounds):
        before = usage(pid)
        await asyncio.sleep(seconds)
        after = usage(pid)
        assert before
        assert after
        found.append((after.cpu_s - before.cpu_s) / seconds)
        print(f"  {found[-1]:.1%} at a load of {os.getloadavg()[0]:.1f}", flush=True)
    return found


async def measure(data: Path, address: HostPort, pid: int, args: argparse.Namespace) -> None:
    print("idle, nobody registered:")
    idle = statistics.median(await shares(pid, 3, args.seconds / 2))
    authority = Authority.load_or_create(DataFolder.look(data))
    nodes: list[Link] = []
    for number in range(args.planes):
        plane = NodeId(f"plane-{number:012x}")
        nodes.append(await join(authority, address, Role.PLANE, plane, plane))
        for child in range(args.children):
            role = Role.AUTH if child % 2 else Role.FILE
            node = NodeId(f"{role.value}-{number:06x}{child:06x}")
            nodes.append(await join(authority, address, role, node, plane))
    tasks = [asyncio.create_task(beat(link, HEARTBEAT_S * number / len(nodes), 1)) for number, link in enumerate(nodes)]
    await asyncio.sleep(2 * HEARTBEAT_S)
    print(f"{len(nodes)} nodes, a heartbeat each {HEARTBEAT_S:g} s:")
    busy = statistics.median(await shares(pid, args.rounds, args.seconds))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    each_ms = (busy - idle) * HEARTBEAT_S / len(nodes) * 1000
    print(f"median {busy:.1%} of a core, {busy - idle:.1%} of it for heartbeats: {each_ms:.2f} ms each")
    for link in nodes:
        link.close()
    await asyncio.gather(*(link.wait_closed() for link in nodes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planes", type=int, default=50)
    parser.add_argument("--children", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        command: list[str | Path] = [sys.executable, ROOT / "primeNODE.py", "--listen", "127.0.0.1:0"]
        command += ["--data", data, "--music", folder, "--idle", "3600", "--quiet"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as prime:
            try:
                assert prime.stdout is not None
                address = HostPort.parse(prime.stdout.readline().split()[-1])
                asyncio.run(measure(data, address, prime.pid, args))
            finally:
                prime.terminate()


if __name__ == "__main__":
    main()
