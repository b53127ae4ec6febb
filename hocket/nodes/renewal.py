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


def renewal_in_s(credentials: Credentials) -> float:
    """Seconds until kept credentials are to be renewed; 0 if that is overdue."""
    from hocket.adapters.certificates import read_certificate

    return max(0.0, read_certificate(credentials.certificate).renew_unix_s - time.time())


async def keep_fresh(
    standing: Standing,
    renew_in_s: float,
    ask: Callable[[Certify, type[Certified]], Awaitable[Certified]],
    on_fresh: Callable[[Credentials], None],
) -> None:
    """Renew a node's credentials for as long as it runs; `on_fresh` gets each new pair."""
    while True:
        await asyncio.sleep(renew_in_s)
        # The certificate library is loaded for this moment only: a streaming node starts without it.
        from hocket.adapters.certificates import new_key_pem, request_certificate

        key = new_key_pem()
        try:
            certified = await ask(Certify(request_certificate(standing.role, standing.node, key)), Certified)
        except HocketError as error:
            log.warning("the certificate of %s is not renewed yet: %s", standing.node, error)
            renew_in_s = RETRY_S
            continue
        on_fresh(Credentials(certified.certificate, key, standing.credentials.authority))
        log.info("the certificate of %s is renewed", standing.node)
        renew_in_s = RENEW_FRESH_S
