"""What a password check costs, and how long it holds up the event loop.

Prints the median of a check, of one for an unknown user, of the throughput with many at once, and how
late a timer of 1 ms fires meanwhile (median, 99th percentile, worst), beside the same timer on an idle loop.

    python -m benchmarks.login_argon2
"""

import asyncio
import statistics
import time

from hocket.adapters.passwords import LANES, MEMORY_KIB, PASSES, THREADS, Passwords

CHECKS = 25
AT_ONCE = 100
TICK_S = 0.001
IDLE_S = 2.0


async def median_ms(passwords: Passwords, stored: str) -> float:
    """Of CHECKS checks, one after the other."""
    took_s = []
    for _ in range(CHECKS):
        start_s = time.perf_counter()
        await passwords.verify(stored, "password123")
        took_s.append(time.perf_counter() - start_s)
    return statistics.median(took_s) * 1000


async def lateness_ms(stop: asyncio.Event) -> list[float]:
    """How late a timer fires, each time, until `stop`."""
    late_ms = []
    while not stop.is_set():
        due_s = time.perf_counter() + TICK_S
        await asyncio.sleep(TICK_S)
        late_ms.append((time.perf_counter() - due_s) * 1000)
    return late_ms


def summary(late_ms: list[float]) -> str:
    late_ms = sorted(late_ms)
    return (
        f"median {statistics.median(late_ms):.2f} ms, 99 % {late_ms[len(late_ms) * 99 // 100]:.2f} ms, "
        f"worst {late_ms[-1]:.2f} ms"
    )


async def main() -> None:
    passwords = Passwords()
    stored = await passwords.hash("password123")
    print(f"argon2id m={MEMORY_KIB} KiB t={PASSES} p={LANES}, {THREADS} threads")
    print(f"one check:        {await median_ms(passwords, stored):.1f} ms")
    print(f"unknown user:     {await median_ms(passwords, ''):.1f} ms")

    stop = asyncio.Event()
    idle = asyncio.create_task(lateness_ms(stop))
    await asyncio.sleep(IDLE_S)
    stop.set()
    print(f"timer, idle:      {summary(await idle)}")

    stop = asyncio.Event()
    busy = asyncio.create_task(lateness_ms(stop))
    start_s = time.perf_counter()
    await asyncio.gather(*(passwords.verify(stored, "password123") for _ in range(AT_ONCE)))
    took_s = time.perf_counter() - start_s
    stop.set()
    print(f"timer, {AT_ONCE} checks: {summary(await busy)}")
    print(f"{AT_ONCE} at once:      {took_s:.2f} s, {AT_ONCE / took_s:.0f} a second")
    passwords.close()


if __name__ == "__main__":
    asyncio.run(main())
