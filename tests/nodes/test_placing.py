"""Under which host a listener is told a node."""

from typing import Any

import pytest

from hocket.control.view import NodeRecord, NodeState
from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role
from hocket.nodes.prime.config import PrimeConfig
from hocket.nodes.prime.placing import Caller, Placing

FROM_AFAR = Caller("10.0.0.5", is_at_home=False)
AT_HOME = Caller("127.0.0.1", is_at_home=True)


@pytest.mark.parametrize(
    ("listen", "advertise", "node", "who", "told"),
    [
        ("0.0.0.0", "", "0.0.0.0", FROM_AFAR, "10.0.0.5"),
        ("0.0.0.0", "", "0.0.0.0", AT_HOME, "127.0.0.1"),
        ("10.0.0.5", "", "10.0.0.5", FROM_AFAR, "10.0.0.5"),
        ("0.0.0.0", "music.example", "0.0.0.0", FROM_AFAR, "music.example"),
        ("10.0.0.5", "music.example", "10.0.0.5", FROM_AFAR, "music.example"),
        ("127.0.0.1", "music.example", "127.0.0.1", FROM_AFAR, "music.example"),
        ("0.0.0.0", "music.example", "0.0.0.0", AT_HOME, "127.0.0.1"),
        ("10.0.0.5", "music.example", "10.0.0.5", AT_HOME, "10.0.0.5"),
        ("0.0.0.0", "music.example", "10.0.0.9", FROM_AFAR, "10.0.0.9"),
        ("10.0.0.5", "music.example", "plane.example", FROM_AFAR, "plane.example"),
    ],
)
def test_others_are_told_the_advertised_host_of_nodes_on_the_primes_machine(
    listen: str, advertise: str, node: str, who: Caller, told: str
) -> None:
    unused: Any = None
    config = PrimeConfig(listen=HostPort(listen, 50001), advertise=advertise)
    record = NodeRecord(
        NodeId("auth-0"), Role.AUTH, NodeId("prime-0"), NodeState.READY, 5, 0.0, address=HostPort(node, 50010)
    )
    placing = Placing(config, unused, unused, unused, unused)
    assert placing._told(record, who) == HostPort(told, 50010)
