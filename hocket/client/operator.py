"""A connection to a prime as its operator: by the data folder's certificate."""

from types import TracebackType
from typing import Self, TypeVar

from hocket.adapters import link as links
from hocket.adapters.authority import OPERATOR, load_credentials
from hocket.adapters.certificates import read_certificate
from hocket.adapters.datafolder import DataFolder
from hocket.adapters.link import Link
from hocket.adapters.primefiles import last_address
from hocket.adapters.tls import node_client_context
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import Role
from hocket.wire.message import Message
from hocket.wire.messages.common import Done

M = TypeVar("M", bound=Message)


class OperatorLink:
    """One connection; use it as an async context manager."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @classmethod
    async def by_folder(cls, folder: DataFolder) -> Self:
        """Connect to the prime that this data folder belongs to.

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
        return cls(await links.connect(address.on_this_machine, context, mine, _Nobody(), expect=(Role.PRIME, None)))

    async def ask(self, message: Message, reply: type[M], timeout_s: float = 30.0) -> M:
        """Send a request. Raises Refused, NotReachable."""
        return await self._link.request(message, reply, timeout_s)

    async def do(self, message: Message) -> None:
        """Send a request that is answered by Done."""
        await self._link.request(message, Done, 30.0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.close()
        await self._link.wait_closed()


class _Nobody:
    """Owns a link on which nothing comes unasked."""

    async def on_message(self, link: Link, message: Message) -> Message | None:
        return None

    def on_closed(self, link: Link, error: HocketError) -> None: ...
