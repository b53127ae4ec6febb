"""A process that receives one file, made to be killed. Its task is one JSON line on stdin."""

import sys
from pathlib import Path

import msgspec

from hocket.adapters.tls import Credentials, node_client_context
from hocket.adapters.transfer.fetch import Fetch
from hocket.adapters.transfer.pace import Pace
from hocket.core.ids import Role
from hocket.wire.messages.library import FetchOrder
from tests.adapters.transfer_kit import TAKER


def main() -> None:
    line = sys.stdin.readline()
    order, music, own, rate = msgspec.json.decode(line, type=tuple[FetchOrder, str, Credentials, float])
    context = node_client_context(own)
    print("receiving", flush=True)
    Fetch(order, Path(music), lambda: context, (Role.PLANE, TAKER), Pace(rate)).run()


if __name__ == "__main__":
    main()
