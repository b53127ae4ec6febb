"""Authentication and streaming nodes that a person runs: joined by a token, in a folder of their own."""

import contextlib
import logging
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec

from hocket.adapters.authority import save_credentials
from hocket.adapters.datafolder import DataFolder
from hocket.core import settings
from hocket.core.address import HostPort
from hocket.core.ids import Role
from hocket.nodes.auth import AuthNode
from hocket.nodes.childsettings import ChildSettings
from hocket.nodes.file import FileNode
from hocket.nodes.joining import CREDENTIALS, Passport, authority_key_of, join
from hocket.nodes.renewal import renewal_in_s
from hocket.nodes.shelf import Shelf

log = logging.getLogger(__name__)


class ByHand(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says when they run a node. `music` matters to streaming nodes only."""

    role: Role
    token: str
    data: Path
    music: Path | None = None
    listen: HostPort | None = None
    advertise: str = ""
    capacity: int = 0  # 0: what the cluster's owner decided for all nodes
    log_level: int = 20


@contextlib.asynccontextmanager
async def by_hand(asked: ByHand) -> AsyncIterator[AuthNode | FileNode]:
    """A node that has joined; call its `run`. Raises TokenRefused, NotReachable, DataInUse, DataUnwritable."""
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(DataFolder.open(asked.data))
        passport = await join(folder, asked.role, asked.token)
        keep = partial(save_credentials, folder, CREDENTIALS)
        if asked.role is Role.AUTH:
            yield AuthNode(_settings(asked, passport, ""), _Alone(), keep)
            return
        assert asked.music is not None
        shelf = Shelf(asked.music, folder.path, lambda revision, tracks: log.info("%d tracks here", tracks))
        shelf.start()
        stack.push_async_callback(shelf.stop)
        yield FileNode(_settings(asked, passport, str(shelf.index)), _Alone(), keep)


def _settings(asked: ByHand, passport: Passport, index: str) -> ChildSettings:
    policy, standing = passport.policy, passport.standing
    return ChildSettings(
        standing=standing,
        parent=standing.prime_node,
        authority_key=authority_key_of(standing.credentials),
        listen=asked.listen or HostPort(passport.own_host or settings.IP, 0),
        advertise=asked.advertise,
        capacity=asked.capacity or (policy.max_users if asked.role is Role.AUTH else policy.max_streams),
        music=str(asked.music.resolve()) if asked.music else "",
        index=index,
        holds=standing.node,  # a folder that no control node knows
        policy=policy,
        renew_in_s=renewal_in_s(standing.credentials),
        log_level=asked.log_level,
    )


class _Alone:
    """Nobody has to look after a node that a person runs."""

    def registered(self) -> None: ...

    def cut_off(self) -> None: ...

    def adopted(self) -> None: ...
