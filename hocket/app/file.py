"""fileNODE.py by hand: run one streaming node of a cluster on this machine."""

from pathlib import Path
from typing import Annotated

from hocket.app.byhand import Capacity, run_by_hand
from hocket.app.options import Program
from hocket.app.serving import FLAT, JOINING, Joining
from hocket.core.ids import Role

PROGRAM = Program("file", "Run one streaming node of a cluster by hand; control nodes spawn theirs by themselves.")


@PROGRAM.app.default
def serve(
    *,
    joining: Annotated[Joining, FLAT] = JOINING,
    data: Path = Path("file-data"),
    music: Path = Path("music"),
    capacity: Capacity = 0,
) -> int:
    """Join a cluster, or come back to it, and serve until Ctrl-C or SIGTERM.

    Parameters
    ----------
    data
        Folder for this node's key; made if missing.
    music
        Folder with WAV files.
    """
    return run_by_hand(Role.FILE, joining, capacity, data, music)


def main() -> int:
    """Entry point of fileNODE.py."""
    return PROGRAM()
