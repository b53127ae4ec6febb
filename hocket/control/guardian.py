"""Whether somebody looks after a spawned node: its control node, or, once that is gone, whoever adopted it."""


class Guardian:
    """The state of one child's guardianship. A control node that lives is enough, also while the prime is away."""

    def __init__(self, *, parent_is_prime: bool) -> None:
        self._parent_is_prime = parent_is_prime
        self._parent_alive = True
        self._adopted = False
        self._registered = False

    @property
    def is_supervised(self) -> bool:
        return self._parent_alive or (self._adopted and self._registered)

    def parent_died(self) -> None:
        """The control node's process ended; who was adopted stays so."""
        self._parent_alive = False

    def registered(self) -> None:
        """A prime took the node in. After the death of its prime that is its adoption."""
        self._registered = True
        if self._parent_is_prime and not self._parent_alive:
            self._adopted = True

    def cut_off(self) -> None:
        """The connection to the prime is lost: an adopted node has nobody then."""
        self._registered = False

    def adopted(self) -> None:
        """The prime says that the control node is back."""
        if not self._parent_alive:
            self._adopted = True
