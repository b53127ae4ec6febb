"""A random world of disks, broken links and removals: libraries converge, and no bytes of music are lost."""

from collections.abc import Iterable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.ids import NodeId, TrackId
from hocket.core.track import Track
from hocket.media.manifest import (
    Manifest,
    change_between,
)
from hocket.media.paths import is_library_name
from hocket.media.replication import STEP, Limits, Removal, Rename, Replication, Transfer
from tests.media.test_replication import A, B, C, D, X, Y, Z, track


class World:
    """Disks, links that break, and a prime that sees only what was reported."""

    def __init__(self, seed: int, machines: int, replicas: int) -> None:
        self.random = Random(seed)
        self.machines = [A, B, C, D][:machines]
        self.disks: dict[NodeId, dict[str, TrackId]] = {machine: {} for machine in self.machines}
        self.bin: set[TrackId] = set()
        self.cut: set[NodeId] = set()
        self.revision = 0
        self.running: list[Transfer] = []
        self.reported: dict[NodeId, Manifest] = {}
        self.prime = Replication(replicas, step=1 if seed % 2 else STEP)
        self.told: dict[NodeId, dict[TrackId, Track]] = {machine: {} for machine in self.machines}
        for machine in self.machines:
            self.prime.join(machine, "same label" if seed % 3 == 0 else machine[-1])
            self.report(machine)

    def manifest(self, machine: NodeId) -> Manifest:
        self.revision += 1
        names: dict[TrackId, list[str]] = {}
        for name, key in sorted(self.disks[machine].items()):
            names.setdefault(key, []).append(name)
        return Manifest(machine, self.revision, tuple(track(key, *held) for key, held in names.items()))

    def report(self, machine: NodeId) -> None:
        new, old = self.manifest(machine), self.reported.get(machine)
        if old is None or self.random.random() < 0.3:
            refused = self.prime.take(new)
        else:
            refused = self.prime.change(change_between(old, new))
        assert refused == []
        self.reported[machine] = new

    def everything(self) -> set[TrackId]:
        return {key for disk in self.disks.values() for key in disk.values()} | self.bin

    # what people and networks do

    def put(self, machine: NodeId, name: str, key: TrackId) -> None:
        self.disks[machine][name] = key

    def delete(self, machine: NodeId, name: str) -> None:
        self.disks[machine].pop(name, None)

    def cut_off(self, machine: NodeId) -> None:
        self.cut.add(machine)
        self.prime.away(machine)
        self.running = [one for one in self.running if machine not in (one.source, one.target)]

    def lose(self, machine: NodeId) -> None:
        self.cut_off(machine)
        self.prime.lost(machine)

    def tell(self) -> None:
        """Keep every machine's list of what is elsewhere by the news alone."""
        for key in self.prime.take_news():
            for machine, told in self.told.items():
                shown = self.prime.beside(machine, key)
                if shown is None:
                    told.pop(key, None)
                else:
                    told[key] = shown

    def heal(self, machine: NodeId) -> None:
        if machine in self.cut:
            self.cut.discard(machine)
            self.prime.join(machine)
            del self.reported[machine]
            self.report(machine)

    # what the plan makes machines do

    def work(self, share: float) -> bool:
        """Carry out part of a plan, some of it twice or too late; whether there was anything to do."""
        plan = self.prime.plan(self.running, Limits(2, 2))
        before = self.everything()
        for transfer in plan.transfers:
            assert not {transfer.source, transfer.target} & self.cut
            if self.random.random() < share:
                self.running.append(transfer)
        for rename in plan.renames:
            if self.random.random() < share:
                self.rename(rename)
        for removal in plan.removals:
            if self.random.random() < share:
                self.remove(removal)
        assert self.everything() == before
        return bool(plan)

    def rename(self, rename: Rename) -> None:
        disk = self.disks[rename.machine]
        if disk.get(rename.old_name) == rename.track and rename.new_name not in disk:
            assert is_library_name(rename.new_name)
            disk[rename.new_name] = disk.pop(rename.old_name)

    def remove(self, removal: Removal) -> None:
        disk = self.disks[removal.machine]
        self.running = [one for one in self.running if (one.target, one.track) != (removal.machine, removal.track)]
        for name in [name for name, key in disk.items() if key == removal.track]:
            del disk[name]
            self.bin.add(removal.track)
        self.report(removal.machine)
        self.prime.acknowledge(removal.machine, removal.track)

    def finish(self, share: float) -> None:
        for transfer in list(self.running):
            if self.random.random() < share:
                self.running.remove(transfer)
                target = self.disks[transfer.target]
                if transfer.track in self.disks[transfer.source].values() and transfer.name not in target:
                    target[transfer.name] = transfer.track

    def settle(self) -> None:
        """Everyone is reachable and nobody touches anything any more."""
        for machine in list(self.cut):
            self.heal(machine)
        for _ in range(400):
            self.finish(1.0)
            for machine in self.machines:
                self.report(machine)
            if not self.work(1.0) and not self.running:
                return
        raise AssertionError(f"never settles: {self.prime.plan()} {self.disks}")


NAMES = st.sampled_from(["a.wav", "b.wav", "d/a.wav", "a (a).wav", "a (same label).wav"])
TRACKS = st.sampled_from([X, Y, Z, TrackId("4" * 64)])
MACHINES = st.sampled_from([A, B, C])
STEPS = st.one_of(
    st.tuples(st.just("put"), MACHINES, NAMES, TRACKS),
    st.tuples(st.just("put"), MACHINES, NAMES, TRACKS),
    st.tuples(st.just("delete"), MACHINES, NAMES),
    st.tuples(st.just("cut_off"), MACHINES),
    st.tuples(st.just("lose"), MACHINES),
    st.tuples(st.just("heal"), MACHINES),
    st.tuples(st.just("report"), MACHINES),
    st.tuples(st.just("work"), st.sampled_from([0.3, 1.0])),
    st.tuples(st.just("finish"), st.sampled_from([0.3, 1.0])),
    st.tuples(st.just("say_remove"), TRACKS),
    st.tuples(st.just("say_restore"), TRACKS),
)


def run(world: World, steps: Iterable[tuple[object, ...]]) -> None:
    for what, *arguments in steps:
        if what == "say_remove":
            world.prime.remove(arguments[0])  # type: ignore[arg-type]
        elif what == "say_restore":
            world.prime.restore(arguments[0])  # type: ignore[arg-type]
        elif what == "report" and arguments[0] in world.cut:
            continue
        else:
            getattr(world, str(what))(*arguments)
        check_against_a_new_prime(world)
        world.tell()
        for machine, told in world.told.items():
            assert told == {key: world.prime.beside(machine, key) for key in world.prime.elsewhere(machine)}


def check_against_a_new_prime(world: World) -> None:
    """What was worked out change by change is what the same reports give at once."""
    prime = world.prime
    while prime.settle():
        if world.random.random() < 0.3:
            return  # what is left to be looked at meets the next change
    fresh = Replication(prime._replicas, prime.removed)
    for machine in reversed(world.machines):
        fresh.join(machine, prime._labels[machine])
    for machine, manifest in world.reported.items():
        fresh.take(manifest)
        if machine in world.cut:
            fresh.away(machine)
        if machine in prime._lost:
            fresh.lost(machine)
    assert {(one.id, one.name, one.aliases) for one in fresh.tracks()} == {
        (one.id, one.name, one.aliases) for one in prime.tracks()
    }
    assert fresh.missing_copies == prime.missing_copies
    assert fresh.census() == prime.census()
    ours, theirs = prime.plan(limits=Limits(99, 99)), fresh.plan(limits=Limits(99, 99))
    assert {(one.track, one.target, one.name) for one in ours.transfers} == {
        (one.track, one.target, one.name) for one in theirs.transfers
    }
    assert sorted(ours.renames, key=repr) == sorted(theirs.renames, key=repr)
    assert sorted(ours.removals, key=repr) == sorted(theirs.removals, key=repr)


@settings(max_examples=150)
@given(st.integers(0, 10**6), st.lists(STEPS, max_size=25), st.integers(2, 4))
def test_whatever_happens_the_library_converges_and_no_bytes_are_lost(
    seed: int, steps: list[tuple[object, ...]], machines: int
) -> None:
    world = World(seed, 4 if machines == 4 else 3, replicas=0)
    run(world, steps)
    held = world.everything()
    world.settle()
    assert world.everything() == held
    removed = {stone.track for stone in world.prime.removed}
    on_disks = [set(disk.values()) for disk in world.disks.values()]
    assert all(keys == on_disks[0] for keys in on_disks)
    assert not on_disks[0] & removed
    assert on_disks[0] | removed >= held - world.bin
    assert world.prime.missing_copies == 0
    # A name means the same on all machines.
    meanings: dict[str, set[TrackId]] = {}
    for disk in world.disks.values():
        for name, key in disk.items():
            meanings.setdefault(name, set()).add(key)
    assert all(len(keys) == 1 for keys in meanings.values())
    listed = list(world.prime.tracks())
    assert len({one.name for one in listed}) == len(listed) == len(on_disks[0])


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.lists(STEPS, max_size=25), st.integers(1, 3))
def test_replicas_are_reached_and_no_bytes_are_lost(seed: int, steps: list[tuple[object, ...]], replicas: int) -> None:
    world = World(seed, 4, replicas)
    run(world, steps)
    held = world.everything()
    world.settle()
    assert world.everything() == held
    for one in world.prime.tracks():
        copies = sum(one.id in disk.values() for disk in world.disks.values())
        assert copies >= min(replicas, 4)
