"""What stories come to."""

import statistics
from collections import Counter
from pathlib import Path

from benchmarks.crowd.story import Story

Rows = list[tuple[str, str]]


def percentile(values: list[float], percent: float) -> float:
    """Of these; nan of none."""
    ordered = sorted(values)
    return ordered[round(percent / 100 * (len(ordered) - 1))] if ordered else float("nan")


def clock_errors_us(stories: list[Story]) -> list[float]:
    """How far off the group clocks of all were."""
    return [abs(error) for story in stories for error in story.clock_us]


def heard(stories: list[Story]) -> Rows:
    """What all of them heard."""
    depths = Counter(story.depth for story in stories)
    first = [story.first_sound_s for story in stories]
    clocks = " / ".join(f"{percentile(clock_errors_us(stories), percent):,.0f}" for percent in (50, 95, 99))
    return [
        ("friends who hear music", f"{sum(one.sounding for one in stories)} of {len(stories)}"),
        ("friends at depth 1, 2, 3 ...", ", ".join(str(depths[depth]) for depth in range(1, max(depths) + 1))),
        ("ran dry (times, all together)", str(sum(one.stalls for one in stories))),
        ("leaves that came late", f"{sum(one.late_leaves for one in stories)} of {sum(one.leaves for one in stories)}"),
        ("leaves from streaming nodes", str(sum(one.node_leaves for one in stories))),
        ("least lead of a leaf", f"{min(one.least_lead_s for one in stories):.2f} s"),
        ("least music in hand", f"{min(one.least_buffer_s for one in stories):.2f} s"),
        ("first sound, median and last", f"{statistics.median(first):.2f} s, {max(first):.2f} s"),
        ("clock against the host's, median / p95 / p99", f"{clocks} us"),
        ("given up", ", ".join({one.over for one in stories if one.over}) or "nobody"),
    ]


def load() -> str:
    """Of the machine, in the last minute."""
    return Path("/proc/loadavg").read_text().split()[0]


def show(title: str, rows: Rows) -> None:
    """As Markdown."""
    print(f"\n## {title}\n\n| what | measured |\n|---|---|")
    for name, value in [*rows, ("load of the machine", load())]:
        print(f"| {name} | {value} |", flush=True)
