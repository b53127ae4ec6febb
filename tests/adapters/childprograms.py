"""Tiny programs that the tests of processes start as children, as Python source for `-c`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

READY = """
import sys
line = sys.stdin.readline()
print("hello", file=sys.stderr, flush=True)
print("auth ready 127.0.0.1:4000", flush=True)
sys.stdin.read()
"""

ECHO_SETTINGS = """
import os, sys
line = sys.stdin.readline().rstrip("\\n")
print(f"got {line} in group {os.getpgid(0)} as {os.getpid()} session {os.getsid(0)}", file=sys.stderr, flush=True)
print("auth ready", flush=True)
sys.stdin.read()
"""

CRASH = """
import sys
for number in range(100):
    print(f"line {number}", file=sys.stderr)
sys.exit(7)
"""

HANG = """
import time
print("not what was agreed", flush=True)
time.sleep(600)
"""

STUBBORN = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("auth ready", flush=True)
sys.stdin.read()
"""

POLITE = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("auth ready", flush=True)
signal.pause()
"""

HUGE_LINE = """
import sys
sys.stderr.write("x" * 5_000_000)
sys.stderr.write("\\nafter\\n")
sys.stderr.flush()
print("auth ready", flush=True)
sys.stdin.read()
"""

NOISY = """
import sys
print("auth ready", flush=True)
for number in range(20_000):
    print(f"noise {number}", file=sys.stderr)
    print(f"noise {number}")
sys.stdin.read()
"""

GRANDCHILD = """
import subprocess, sys
print("auth ready", flush=True)
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(f"grandchild {left.pid}", file=sys.stderr, flush=True)
sys.stdin.read(1)
"""

LAST_WORDS = """
import os, sys
print("auth ready", flush=True)
os.write(2, b"y" * 60_000 + b"\\nlast words without an end")
os._exit(3)
"""

CONTROL = f"""
import asyncio, os, sys
sys.path.insert(0, {str(ROOT)!r})
from hocket.adapters.processes import ChildProcess
from hocket.control.children import Child
from hocket.core.ids import NodeId, Role

async def main():
    own = Child(NodeId("auth-1"), Role.AUTH, asyncio.get_running_loop().time(), ready_timeout_s=30, stop_grace_s=5)
    process = await ChildProcess.start(
        own, [sys.executable, "-c", os.environ["CHILD_PROGRAM"]], first_line=b"settings", ready_pattern="ready"
    )
    await process.wait_ready()
    print("child", process.child.pid, flush=True)
    await process.wait()
    print("child ended:", process.child.why, flush=True)

asyncio.run(main())
"""
"""A control node with one child, $CHILD_PROGRAM."""

_WATCHING = f"""
import asyncio, os, signal, sys, threading, time
sys.path.insert(0, {str(ROOT)!r})
from hocket.adapters import childside
from hocket.adapters.childside import ParentWatch, read_first_line
mode, told, grace_s, last_resort_s = os.environ["MODE"], os.environ["TOLD"], *map(float, os.environ["GRACE"].split())
childside.LAST_RESORT_S = last_resort_s

adopted = threading.Event()
if mode == "adopted early":
    at_end = childside._at_end
    childside._at_end = lambda fd: at_end(fd) and adopted.wait(60)

def tell(text):
    with open(told, "a") as file:
        file.write(text + "\\n")

"""

WATCHER = (
    _WATCHING
    + """
async def main():
    line = read_first_line()
    done = asyncio.Event()
    def orphaned():
        tell("orphaned")
        if mode in ("adopted", "adopted early"):
            watch.supervised()
            adopted.set()
        if mode == "adopted twice":
            watch.supervised()
            asyncio.get_running_loop().call_soon(watch.unsupervised)
    def abandoned():
        tell("abandoned")
        if mode != "stubborn":
            done.set()
    watch = ParentWatch(orphaned, abandoned, grace_s)
    watch.arm()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    tell(f"armed with {line.decode()}")
    print("auth ready", flush=True)
    if mode == "wedged":
        tell("wedged")
        while True:
            time.sleep(600)
    await done.wait()
    watch.close()
    tell("closed")

asyncio.run(main())
"""
)
"""A node that tells what ParentWatch told it into the file $TOLD; $GRACE: seconds of grace and of last resort."""

HELD_STDIN = (
    _WATCHING
    + """
async def main():
    done = asyncio.Event()
    watch = ParentWatch(lambda: (tell("orphaned"), done.set()), done.set, grace_s, fd=int(os.environ["HELD_FD"]))
    watch.arm()
    tell("armed")
    print("auth ready", flush=True)
    await done.wait()
    watch.close()

asyncio.run(main())
"""
)
"""A node whose stdin never ends, because somebody else holds its other side: the death signal must do."""


def python(source: str) -> list[str]:
    return [sys.executable, "-c", source]
