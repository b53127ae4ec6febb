"""Names with and without quotes, typed at the prompt and sent by a script."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.cluster import DEMO_PASSWORD, Cluster
from tests.kit.fakecluster import make_song
from tests.kit.ports import free_port
from tests.kit.processes import ROOT, Program
from tests.system.kit import QUICK

NAMES = ("Paper Boats", "Don't Stop")
TYPED = ('play "Paper Boats"', "play Don't Stop", "play 'Paper Boats'", "play Paper Boats", '''play "Don't Stop"''')


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "music").mkdir()
    for number, name in enumerate(NAMES):
        (folder / "music" / f"{name}.wav").write_bytes(make_song(f"{name}.wav", 60.0 + number).content)
    with Cluster(folder, *QUICK) as cluster:
        yield cluster


def _meant(typed: str) -> str:
    return next(name for name in NAMES if name in typed)


def test_a_script_may_quote_names_or_not(served: Cluster) -> None:
    with served.listener("--output", "null", "play", NAMES[0]) as listener:
        listener.wait_event("playing")
        for typed in TYPED:
            listener.command(typed)
            listener.wait_event("opened", title=_meant(typed))
        listener.command("stop")


def test_a_person_may_quote_names_or_not(served: Cluster, tmp_path: Path) -> None:
    flags: list[str | Path] = ["--home", tmp_path, *served.login_flags(), "--output", "null"]
    with Program([sys.executable, ROOT / "user.py", *flags], env=served.env) as prompt:
        prompt.write_line(DEMO_PASSWORD)
        prompt.wait_line("`help` lists the commands")
        for typed in TYPED:
            prompt.write_line(typed)
            prompt.wait_line(f"^playing {_meant(typed)}")
        prompt.write_line("seek soon")
        prompt.wait_line("'soon' is no time: write seconds, or MINUTES:SECONDS")
        prompt.write_line(f"join 127.0.0.1:{free_port()}")
        prompt.wait_line(r"^cannot reach 127.0.0.1:\d+: connection refused; and by way of the prime: ")
        prompt.write_line("dance")
        prompt.wait_line("'dance' is no command: `help` lists the commands")
        prompt.write_line("quit")
        assert prompt.wait_exit() == 0
