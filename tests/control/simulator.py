"""A whole control plane in one process and in seeded time: a prime, planes, their children, listeners.

The pure machines of `hocket.control` are the real ones. Simulated are processes, the network (delay,
loss, partitions), people who log in, play and leave, and whoever kills things. Every tick of the prime
checks what must hold at every moment; the tests check what must hold in the end.
"""

from hocket.control.booking import Booking, Order
from hocket.control.registry import Registry
from hocket.control.scheduler import Full, NoHolder
from hocket.core.ids import Role
from tests.control.simmachines import Machines
from tests.control.simvalues import PRIME, SEAT_S, Control, Node, User


class World(Machines):
    """All of it: the machines, who uses them, and who breaks them."""

    # people

    def arrive(self, stays_s: float) -> User:
        """Somebody comes, logs in and plays for a while."""
        user = User(len(self.users), self.now_s + stays_s)
        self.users.append(user)
        self._want(user)
        return user

    def _want(self, user: User) -> None:
        """A client's loop: keep a session and a stream, until it is time to go."""
        if user.gone:
            return
        if self.now_s >= user.leaves_s:
            user.gone = True
            for node in (user.auth, user.file):
                if node is not None:
                    node.users.discard(user.number)
            return
        user.avoid = {node: end_s for node, end_s in user.avoid.items() if end_s > self.now_s}
        for role, has in ((Role.AUTH, user.auth), (Role.FILE, user.file)):
            if has is None and role not in user.asking and (role is Role.AUTH or user.auth is not None):
                self._ask(user, role)
        self._at(0.5, lambda: self._want(user))

    def _ask(self, user: User, role: Role) -> None:
        if not self.prime_up:
            return
        if role is Role.AUTH:
            order = self.bookings.warm(self._randomness(), self.now_s)
            if order is not None:
                self._order(order)
            answer: Booking | Full | NoHolder = self.bookings.login(self._randomness(), self.now_s, user.avoid)
        else:
            answer = self.bookings.play(None, self._randomness(), self.now_s, user.avoid)
        if not isinstance(answer, Booking):
            user.refused += 1
            return
        user.asking.add(role)
        booking, registry = answer, self.registry
        if booking.order is not None:
            self._order(booking.order)
        if booking.ready:
            self._take(user, role, booking, registry)
        else:

            def up(ready: bool) -> None:
                if ready and not user.gone:
                    self._take(user, role, booking, registry)
                else:
                    self._give_up(user, role, booking, registry)

            self._waiting.setdefault(booking.node_id, []).append(up)

    def _order(self, order: Order) -> None:
        self._send(order.control_id, lambda: self._spawn(order))

    def _give_up(self, user: User, role: Role, booking: Booking, registry: Registry) -> None:
        user.asking.discard(role)
        user.avoid[booking.node_id] = self.now_s + 15.0
        if registry is self.registry:
            self.bookings.cancel(booking, self.now_s)

    def _take(self, user: User, role: Role, booking: Booking, registry: Registry) -> None:
        """Reserve the seat by a message, or go straight to the streaming node."""
        node = next((node for node in self.workers if node.node_id == booking.node_id), None)
        seat = self._sequence
        answered: list[bool] = []

        def late() -> None:
            if not answered:
                answered.append(False)
                self._give_up(user, role, booking, registry)

        def reply(load: int) -> None:
            if answered:
                return
            answered.append(True)
            if registry is self.registry and self.prime_up:
                self.bookings.seated(booking, load, self.now_s)
            self._at(self.random.uniform(0.01, 0.3), lambda: self._enter(user, role, node, seat))

        def reserve() -> None:
            if node is not None and node.alive and node.load < node.capacity:
                node.seats[seat] = self.now_s + SEAT_S
                load = node.load
                self._send(node.parent, lambda: reply(load))

        if role is Role.FILE:
            self.bookings.sent(booking, self.now_s)
            self._at(self.random.uniform(0.01, 0.1), lambda: self._enter(user, role, node, seat))
            return
        self._at(3.0, late)
        if node is not None:
            self._send(node.parent, reserve)

    def _enter(self, user: User, role: Role, node: Node | None, seat: int) -> None:
        """The listener connects to the node that it was sent to."""
        user.asking.discard(role)
        if node is None:
            return
        node.seats.pop(seat, None)
        if not node.alive or node.load >= node.capacity:
            user.avoid[node.node_id] = self.now_s + 15.0
        elif not user.gone:
            node.users.add(user.number)
            if role is Role.AUTH:
                user.auth = node
            else:
                user.file = node

    # mischief

    def mischief(self) -> None:
        """One random thing goes wrong, or right again."""
        planes = [control for control_id, control in self.controls.items() if control_id != PRIME]
        living = [node for node in self.workers if node.alive]
        what = self.random.choice(["kill", "kill", "plane", "cut", "cut all", "heal", "heal", "prime", "hang up"])
        self._note(what)
        if what == "kill" and living:
            self._end(self.random.choice(living), "was ended by SIGKILL", clean=False)
        elif what == "plane":
            self.kill_control(self.random.choice(planes))
        elif what == "cut":
            self.random.choice(planes).cut = True
        elif what == "cut all" and self.random.random() < 0.3:
            for control in planes:
                control.cut = True
        elif what == "heal":
            self.random.choice(planes).cut = False
        elif what == "prime" and self.random.random() < 0.3:
            self.kill_prime(self.random.uniform(0.1, 10.0))
        elif what == "hang up" and living:
            self._drop(self.random.choice(living))

    def kill_control(self, control: Control, back_after_s: float | None = None) -> None:
        """A plane's process ends: its children are orphans; after a while it starts again."""
        if not control.node.alive:
            return
        control.node.alive = False
        self._note(f"{control.node.node_id} ends")
        self._drop(control.node)
        back_s = self.random.uniform(0.1, 20.0) if back_after_s is None else back_after_s
        self._at(back_s, lambda: self._start_plane(control.node.node_id))

    def kill_prime(self, back_after_s: float) -> None:
        """The prime's process ends: everyone's connection does; it starts again with an empty registry."""
        if not self.prime_up:
            return
        self.prime_up = False
        self._note("prime ends")
        self.controls[PRIME].node.alive = False
        for node in self._processes():
            if node.alive and not self.controls[node.parent].cut:
                node.number = None
        self._at(back_after_s, self._start_prime)

    def heal(self) -> None:
        """From now on nothing goes wrong."""
        self.faults = 0.0
        for control in self.controls.values():
            control.cut = False
