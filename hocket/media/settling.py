"""Which changed files have come to rest: somebody may still be copying them."""


class Settling:
    """Paths that changed, until nothing more was heard of one for `quiet_s`."""

    __slots__ = ("_heard_s", "_quiet_s")

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._heard_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._heard_s)

    def note(self, path: str, now_s: float) -> None:
        """Something happened to a path."""
        self._heard_s[path] = now_s

    def settled(self, now_s: float) -> frozenset[str]:
        """Paths that have been quiet for long enough; they are forgotten here."""
        quiet = frozenset(path for path, heard_s in self._heard_s.items() if now_s - heard_s >= self._quiet_s)
        for path in quiet:
            del self._heard_s[path]
        return quiet

    def wait_s(self, now_s: float) -> float | None:
        """How long until the next path can be quiet; None when there is none."""
        if not self._heard_s:
            return None
        return max(min(self._heard_s.values()) + self._quiet_s - now_s, 0.0)
