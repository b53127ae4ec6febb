"""The three demo accounts: there to try a fresh cluster, gone before they can do harm."""

import ipaddress
from collections.abc import Collection

from hocket.auth.accounts import LoginRefused, Rights, User
from hocket.auth.names import name_key
from hocket.core.ids import UserName

DEMO_PASSWORD = "password123"
DEMO_NAMES = (UserName("Someone"), UserName("AnotherUser"), UserName("FinalUser"))
_BY_KEY = {name_key(name): name for name in DEMO_NAMES}


def demo_name(typed: str) -> UserName | None:
    """The demo account that is meant, if one is."""
    return _BY_KEY.get(name_key(typed))


def demo_user(
    typed: str,
    password_hash: str,
    *,
    real_users: int,
    peer_host: str,
    seen_at_home: bool,
    own_hosts: Collection[str],
    everywhere: bool,
) -> User | None:
    """The demo account behind a name, or None where there is none: then it is an unknown user.

    `password_hash` is DEMO_PASSWORD's. They exist while the record store has no account (`real_users`),
    and for listeners on the prime's own machine: `peer_host`, as the auth node sees it, is one of
    `own_hosts`, the prime's addresses, or loopback where the auth node itself runs on the prime's machine
    (`seen_at_home`). `everywhere` (--demo) lifts the second limit, not the first. Raises LoginRefused for
    a demo name from elsewhere: what everybody may read in the README is no secret.
    """
    name = demo_name(typed)
    if name is None or real_users > 0:
        return None
    if not everywhere and not _is_own_machine(peer_host, seen_at_home, own_hosts):
        raise LoginRefused(
            "the demo accounts work only on the prime's own machine",
            hint="there, make an account with `controlNODE.py users add NAME`, or start the prime with --demo",
        )
    return User(name, password_hash, Rights.LISTEN)


def _is_own_machine(peer_host: str, seen_at_home: bool, own_hosts: Collection[str]) -> bool:
    peer = _plain(peer_host)
    if peer is None:
        return False
    if peer.is_loopback:
        return seen_at_home
    return any(peer == _plain(host) for host in own_hosts)


def _plain(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address without its zone, and an IPv4 address behind IPv6 as what it is; None for a name."""
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip
