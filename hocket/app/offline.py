"""What `controlNODE.py` does while no prime runs: the data folder's lock makes it the one owner of the accounts.

The record store and what goes with it are loaded only then: every other command is up sooner without them.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from hocket.adapters.authority import Authority
from hocket.adapters.datafolder import DataFolder
from hocket.adapters.hosts import reachable
from hocket.adapters.primefiles import last_address, last_advertised, last_records_url
from hocket.core import settings
from hocket.core.address import ClusterAddress, HostPort
from hocket.wire.messages.operator import Invite

if TYPE_CHECKING:
    from hocket.nodes.prime.accounts import Accounts


@contextlib.asynccontextmanager
async def offline_accounts(data: Path) -> AsyncIterator["Accounts"]:
    """The accounts of a data folder. Raises HocketError (DATA_MISSING, DATA_IN_USE, RECORDS_BROKEN)."""
    from hocket.adapters.passwords import Passwords
    from hocket.adapters.records import Records
    from hocket.nodes.prime.accounts import Accounts

    DataFolder.look(data)
    with DataFolder.open(data) as folder:
        passwords = Passwords()
        records = await Records.open(last_records_url(folder), folder.path)
        try:
            yield Accounts(records, passwords, (), False, lambda user, why: None)
        finally:
            await records.close()
            passwords.close()


async def offline_invite(data: Path) -> Invite:
    """The address that the prime had when it ran last. Raises HocketError (DATA_MISSING, DATA_IN_USE)."""
    DataFolder.look(data)
    with DataFolder.open(data) as folder:
        authority = Authority.load_or_create(folder)
        address = reachable(last_address(folder) or HostPort.parse(settings.PRIME), last_advertised(folder))[0]
        return Invite(str(ClusterAddress(address, authority.fingerprint)), "the prime does not run at the moment")
