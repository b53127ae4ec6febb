"""How many files and connections this process may have open."""

import logging

log = logging.getLogger(__name__)

WANTED = 65_536
"""A streaming node holds two connections a stream and one file a track; systems hand out 1,024 unless asked."""


def allow_many() -> int:
    """Raise this process's own limit as far as its owner may, up to WANTED; returns what holds now, 0 if unknown."""
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = WANTED if hard == unlimited else min(WANTED, hard)
    if soft == unlimited or soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        log.info("the limit of open files stays at %d: %s", soft, error)
        return soft
    return wanted
