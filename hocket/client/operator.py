"""Who looks after a cluster: by the data folder's certificate, or by an account that may operate."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol, TypeVar

from hocket.adapters import link as links
from hocket.adapters.authority import OPERATOR, load_credentials
from hocket.adapters.certificates import read_certificate
from hocket.adapters.datafolder import DataFolder
from hocket.adapters.link import Link
from hocket.adapters.primefiles import last_address
from hocket.adapters.tls import node_client_context
from hocket.core.address import ClusterAddress
from hocket.core.errors import ErrorCode, HocketError, Refused
from hocket.core.ids import Role
from hocket.wire.message import Message
from hocket.wire.messages.common import Done

if TYPE_CHECKING:
    from hocket.adapters.trust import KnownClusters
    from hocket.client.cluster import Cluster

ASK_TIMEOUT_S = 30.0

M = TypeVar("M", bound=Message)


class Operator(Protocol):
    """A prime that takes an operator's requests."""

    async def ask(self, message: Message, reply: type[M]) -> M:
        """Send a request. Raises Refused, NotReachable."""
        ...


async def do(operator: Operator, message: Message) -> None:
    """Send a request that is answered by Done."""
    await operator.ask(message, Done)


@contextlib.asynccontextmanager
async def by_folder(folder: DataFolder) -> AsyncIterator[Operator]:
    """The prime that this data folder belongs to; whoever may read the folder is its operator.

    Raises NotReachable while it does not run, HocketError (DATA_MISSING) if it never did.
    """
    credentials = load_credentials(folder, OPERATOR)
    address = last_address(folder)
    if credentials is None or address is None:
        raise HocketError(
            f"{folder.path} belongs to no prime yet", code=ErrorCode.DATA_MISSING, hint="start primeNODE.py once"
        )
    mine = links.hello(Role.OPERATOR, read_certificate(credentials.certificate).node)
    context = node_client_context(credentials)
    link = await links.connect(address.on_this_machine, context, mine, _Nobody(), expect=(Role.PRIME, None))
    try:
        yield _ByFolder(link)
    finally:
        link.close()
        await link.wait_closed()


@contextlib.asynccontextmanager
async def by_account(
    address: ClusterAddress, known: "KnownClusters", user: str, password: str
) -> AsyncIterator[Operator]:
    """A prime anywhere, logged in as a listener whose account may operate.

    Raises what a log-in raises, and Refused (NOT_ALLOWED) for other accounts at the first request.
    """
    # Loaded here: the operator on the prime's own machine is served sooner without a listener's parts.
    from hocket.adapters.clocks import SystemClock
    from hocket.client.cluster import Cluster

    cluster = Cluster(
        address,
        known,
        SystemClock(),
        tell=lambda event: None,
        on_over=lambda error: None,
        on_lines_changed=lambda: None,
    )
    try:
        await cluster.log_in(user, password)
        yield _ByAccount(cluster, user)
    finally:
        await cluster.close()


class _ByFolder:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def ask(self, message: Message, reply: type[M]) -> M:
        return await self._link.request(message, reply, ASK_TIMEOUT_S)


class _ByAccount:
    def __init__(self, cluster: "Cluster", user: str) -> None:
        self._cluster = cluster
        self._user = user

    async def ask(self, message: Message, reply: type[M]) -> M:
        try:
            return await self._cluster.prime.ask_as_user(message, reply, ASK_TIMEOUT_S)
        except Refused as error:
            if error.code is not ErrorCode.NOT_ALLOWED:
                raise
            raise Refused(
                f"the account {self._user} may not operate the cluster",
                code=error.code,
                hint="on the prime's machine, make one that may: controlNODE.py users add NAME --may-operate",
            ) from None


class _Nobody:
    """Owns a link on which nothing comes unasked."""

    async def on_message(self, link: Link, message: Message) -> Message | None:
        return None

    def on_closed(self, link: Link, error: HocketError) -> None: ...
