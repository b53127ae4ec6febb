"""dbNODE.py by hand: run one authentication node of a cluster on this machine."""

from pathlib import Path
from typing import Annotated

from hocket.app.byhand import Capacity, run_by_hand
from hocket.app.options import Program
from hocket.app.serving import FLAT, JOINING, Joining
from hocket.core.ids import Role

PROGRAM = Program("db", "Run one authentication node of a cluster by hand; control nodes spawn theirs by themselves.")


@PROGRAM.app.default
def serve(
    *, joining: Annotated[Joining, FLAT] = JOINING, data: Path = Path("auth-data"), capacity: Capacity = 0
) -> int:
    """Join a cluster, or come back to it, and serve until Ctrl-C or SIGTERM.

    Parameters
    ----------
    data
        Folder for this node's key; made if missing.
    """
    return run_by_hand(Role.AUTH, joining, capacity, data)


def main() -> int:
    """Entry point of dbNODE.py."""
    return PROGRAM()
