"""What a control node tells a node that it spawns: one JSON line on the child's stdin.

Not on the command line: keys would show in the list of processes.
"""

import msgspec

from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId
from hocket.nodes.renewal import RENEW_FRESH_S
from hocket.nodes.standing import Standing
from hocket.wire.messages.planes import ChildPolicy


class ChildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One node's whole configuration."""

    standing: Standing
    parent: NodeId
    authority_key: bytes  # the cluster's raw public key, which signs grants
    listen: HostPort  # port 0: a free one
    ports: tuple[int, int] | None = None  # or one of these, both ends included
    advertise: str = ""  # the host that others are told; "" = the listening one
    capacity: int
    music: str = ""
    index: str = ""  # the library's index file, kept by the control node
    holds: str = ""  # whose folder that is, if not the parent's
    policy: ChildPolicy = ChildPolicy()
    renew_in_s: float = RENEW_FRESH_S  # until its certificate is to be renewed
    log_level: int = 20

    def __repr__(self) -> str:
        return f"ChildSettings({self.standing.node})"

    @property
    def node(self) -> NodeId:
        return self.standing.node

    def line(self) -> bytes:
        """As it goes to the child, without the line's end."""
        return msgspec.json.encode(self)


def read_settings(line: bytes) -> ChildSettings:
    """The child's side. Raises HocketError (USAGE)."""
    try:
        return msgspec.json.decode(line, type=ChildSettings)
    except msgspec.DecodeError as error:
        raise HocketError(
            f"the settings on stdin cannot be read: {error}",
            code=ErrorCode.USAGE,
            hint="a control node starts this program with --child; by hand use --join TOKEN",
        ) from None
