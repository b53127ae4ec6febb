"""Certificates are renewed when two thirds of their life are over, by the prime, without a gap."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from hocket.adapters.tls import Credentials
from hocket.core.errors import HocketError
from hocket.nodes.standing import Standing
from hocket.wire.messages.planes import Certified, Certify

log = logging.getLogger(__name__)

RENEW_FRESH_S = 7 * 86400 * 2 / 3
"""For a certificate that was issued just now."""

RETRY_S = 600.0
"""A third of a week is left to try again."""

LOOK_S = 60.0
"""Between looks at the clock: the event loop's own stands still while a machine is suspended, a certificate ages."""


def renewal_in_s(credentials: Credentials) -> float:
    """Seconds until kept credentials are to be renewed; 0 if that is overdue."""
    from hocket.adapters.certificates import read_certificate

    return max(0.0, read_certificate(credentials.certificate).renew_unix_s - time.time())


def left_s(credentials: Credentials) -> float:
    """Seconds that kept credentials still hold by this machine's clock; less than 0 if they ran out."""
    from hocket.adapters.certificates import read_certificate

    return read_certificate(credentials.certificate).until_unix_s - time.time()


async def sleep_by_wall_clock(delay_s: float) -> None:
    """Sleep on through the suspension of this machine: what passed meanwhile counts."""
    due_unix_s = time.time() + delay_s
    wait_s = delay_s
    while wait_s > 0:
        await asyncio.sleep(min(wait_s, LOOK_S))
        wait_s = due_unix_s - time.time()


async def keep_fresh(
    standing: Standing,
    renew_in_s: float,
    ask: Callable[[Certify, type[Certified]], Awaitable[Certified]],
    on_fresh: Callable[[Credentials], None],
) -> None:
    """Renew a node's certificate for as long as it runs; `on_fresh` gets each new one.

    The key stays: by it, and a token, a machine that was off for longer than its certificate held comes back.
    """
    key = standing.credentials.key
    while True:
        await sleep_by_wall_clock(renew_in_s)
        # The certificate library is loaded for this moment only: a streaming node starts without it.
        from hocket.adapters.certificates import request_certificate

        try:
            certified = await ask(Certify(request_certificate(standing.role, standing.node, key)), Certified)
        except HocketError as error:
            log.warning("the certificate of %s is not renewed yet: %s", standing.node, error)
            renew_in_s = RETRY_S
            continue
        on_fresh(Credentials(certified.certificate, key, standing.credentials.authority))
        log.info("the certificate of %s is renewed", standing.node)
        renew_in_s = RENEW_FRESH_S
