"""The settings a person may change, in one place: PRIME, IP, P2PPORT, MAX_LOAD, MAX_USERS and the rest.

These are the defaults. What each means, and why it has its value, stands beside it in
`hocket/core/settings.py`. Change one for good in `hocket.toml` (`max-load = 4`), for one shell in
the environment (`HOCKET_MAX_LOAD=4`), or for one start with a flag (`--max-load 4`).
"""

from hocket.core.settings import *  # noqa: F403 - all of them, also those to come
