"""How often a password may be tried: by address, by account, and by the two together.

Kept by the prime, whom every auth node asks for the account: so there is one count however many auth
nodes there are. Three limits, each against another attacker:

- the pair (account, address): FREE_TRIES wrong passwords, then a wait that doubles up to MAX_WAIT_S;
- the address, whatever the account: a token bucket, against one password tried on many accounts;
- the account, whatever the address: a token bucket, against many addresses that share the work.

The last one spares a pair without a wrong password on record. So nobody can lock an account's owner
out from elsewhere: whatever others do, at an address that was quiet the owner gets in.
"""

import ipaddress

from hocket.auth.buckets import Bucket, Recent
from hocket.core.errors import ErrorCode, HocketError

FREE_TRIES = 3
"""Wrong passwords before the first wait: people mistype."""

FIRST_WAIT_S = 1.0
MAX_WAIT_S = 300.0
"""One wrong password after another from one place ends at 288 tries a day."""

HALVING_S = 900.0
"""A pair's count of wrong passwords halves in this time without another one."""

ADDRESS_BURST = 30.0
ADDRESS_REFILL_S = 2.0
"""Wrong passwords from one address: a school behind one address mistypes this often at once."""

ACCOUNT_BURST = 20.0
ACCOUNT_REFILL_S = 10.0
"""Wrong passwords for one account from everywhere."""

MAX_UNJUDGED = 128
"""Attempts of one pair whose result is not known yet: a class of pupils who share an account logs in at once.
Past FREE_TRIES wrong ones it is one at a time, so that guessing in parallel gains one such burst."""

UNJUDGED_S = 30.0
"""An attempt whose result did not come in this time (the auth node is gone) is forgotten."""

MAX_ENTRIES = 10_000
"""Pairs, addresses and accounts remembered, each: about 200 bytes an entry. The longest untouched goes first."""


class TooManyAttempts(HocketError):
    """Not now: `retry_s` says when."""

    code = ErrorCode.TOO_MANY_ATTEMPTS

    def __init__(self, what: str, retry_s: float) -> None:
        super().__init__(what, hint=f"wait {max(1, round(retry_s))} s, then try again", retry_s=retry_s)


class _Pair:
    """Wrong passwords of one account from one address."""

    __slots__ = ("failures", "since_s", "unjudged", "unjudged_since_s")

    def __init__(self) -> None:
        self.failures = 0
        self.since_s = 0.0  # of the last failure, or of the last halving
        self.unjudged = 0
        self.unjudged_since_s = 0.0

    def catch_up(self, now_s: float) -> None:
        halvings = int((now_s - self.since_s) // HALVING_S)
        if self.failures and halvings > 0:
            self.failures >>= min(halvings, 64)
            self.since_s += halvings * HALVING_S
        if self.unjudged and now_s - self.unjudged_since_s >= UNJUDGED_S:
            self.unjudged = 0

    def wait_s(self, now_s: float) -> float:
        over = self.failures - FREE_TRIES
        if over < 0:
            return 0.0
        wait_s = min(MAX_WAIT_S, FIRST_WAIT_S * 2.0 ** min(over, 32))
        return max(0.0, self.since_s + wait_s - now_s)


class Attempts:
    """Who tried a password how often. `now_s` is monotonic and never smaller than in the call before.

    Accounts are `name_key`s, also of users that do not exist; addresses come as their sockets name them.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._pairs: Recent[tuple[str, str], _Pair] = Recent(max_entries)
        self._addresses: Recent[str, Bucket] = Recent(max_entries)
        self._accounts: Recent[str, Bucket] = Recent(max_entries)

    def __len__(self) -> int:
        """Entries in memory, at most three times max_entries."""
        return len(self._pairs) + len(self._addresses) + len(self._accounts)

    def admit(self, account: str, host: str, now_s: float) -> None:
        """Let one attempt begin; exactly one of `failed` and `succeeded` follows. Raises TooManyAttempts."""
        address = address_key(host)
        self._refuse_pair(account, address, now_s)
        bucket = self._addresses.get(address)
        if bucket is not None and (wait_s := bucket.wait_s(now_s)) > 0:
            raise TooManyAttempts("too many wrong passwords from your address", wait_s)
        pair = self._pairs.get((account, address)) or _Pair()
        bucket = self._accounts.get(account)
        if pair.failures and bucket is not None and (wait_s := bucket.wait_s(now_s)) > 0:
            raise TooManyAttempts("too many wrong passwords for this account", wait_s)
        pair.unjudged += 1
        pair.unjudged_since_s = now_s
        self._pairs.put((account, address), pair)

    def failed(self, account: str, host: str, now_s: float) -> None:
        """The password was wrong, or the user unknown."""
        address = address_key(host)
        pair = self._pairs.get((account, address)) or _Pair()
        pair.catch_up(now_s)
        pair.unjudged = max(0, pair.unjudged - 1)
        pair.failures += 1
        pair.since_s = now_s
        self._pairs.put((account, address), pair)
        _take(self._addresses, address, Bucket(ADDRESS_BURST, ADDRESS_REFILL_S, now_s), now_s)
        _take(self._accounts, account, Bucket(ACCOUNT_BURST, ACCOUNT_REFILL_S, now_s), now_s)

    def succeeded(self, account: str, host: str, now_s: float) -> None:
        """The password was right: this address is the owner's, and its mistakes are forgiven.

        What the address did to other accounts stays on record, or an attacker with one account of his
        own could wipe it clean.
        """
        pair = self._pairs.get((account, address_key(host)))
        if pair is None:
            return
        pair.catch_up(now_s)
        pair.failures = 0
        pair.unjudged = max(0, pair.unjudged - 1)
        if not pair.unjudged:
            self._pairs.forget((account, address_key(host)))

    def _refuse_pair(self, account: str, address: str, now_s: float) -> None:
        pair = self._pairs.get((account, address))
        if pair is None:
            return
        pair.catch_up(now_s)
        if (wait_s := pair.wait_s(now_s)) > 0:
            raise TooManyAttempts("too many wrong passwords for this account from your address", wait_s)
        if pair.unjudged >= (1 if pair.failures >= FREE_TRIES else MAX_UNJUDGED):
            raise TooManyAttempts("too many log-ins to this account at once from your address", FIRST_WAIT_S)


def address_key(host: str) -> str:
    """What counts as one address: an IPv4 address, or an IPv6 /64, which one customer owns as a whole."""
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(ip) >> 64 << 64))


def _take(buckets: Recent[str, Bucket], key: str, fresh: Bucket, now_s: float) -> None:
    buckets.put(key, buckets.get(key) or fresh).take(now_s)
