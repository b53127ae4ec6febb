"""A group of peers over lines with delay, that may be cut, killed and frozen: all in simulated time."""

import heapq
import random
from dataclasses import dataclass, field

from hocket.core.clock import NS_PER_S
from hocket.core.ids import TrackId
from hocket.relay.conductor import Conductor, lead_ns
from hocket.relay.handover import Announce, Claimed, Follow, GaveUp, Refuse, SignedHandover, State, Succession, Tell
from hocket.relay.keys import GroupId
from hocket.relay.lineage import Reign, SignedRoster, found
from hocket.relay.timeline import Line, SignedLine, Timeline, Verdict, sign_line
from tests.relay.people import Person

GROUP = GroupId("0" * 32)
SONG = TrackId("a" * 64)
START_NS = 1_700_000_000 * NS_PER_S
TICK_NS = 50_000_000
BEAT_NS = 200_000_000
RATE_HZ = 48_000


@dataclass(frozen=True)
class Beat:
    epoch: int
    host: bytes


@dataclass(frozen=True)
class Show:
    """A reign and the lines that its host has signed."""

    reign: Reign
    lines: tuple[SignedLine, ...]


Mail = Beat | Show | SignedHandover | SignedRoster | SignedLine


@dataclass
class Member:
    """What a client does with the pure parts: it passes messages on and obeys decisions."""

    person: Person
    succession: Succession
    timeline: Timeline
    party: "Party"
    conductor: Conductor | None = None
    signed: list[SignedLine] = field(default_factory=list)
    alive: bool = True
    frozen_until_ns: int = 0
    gave_up: bool = False
    claims: list[int] = field(default_factory=list)

    def show(self) -> Show:
        return Show(self.succession.reign, tuple(self.signed))

    def publish(self, lines: list[Line]) -> None:
        fresh = [sign_line(line, self.person.sign) for line in lines]
        self.signed = [*self.signed, *fresh][-8:]
        for line in fresh:
            self.party.broadcast(self, line)

    def begin(self, reign: Reign, now_ns: int) -> None:
        self.timeline.follow(reign.claim.epoch, self.person.key)
        self.conductor = Conductor(self.timeline)
        self.signed = [sign_line(line, self.person.sign) for line in self.conductor.take_over(now_ns)]
        self.claims.append(now_ns)
        self.party.broadcast(self, self.show())

    def receive(self, sender: "Member", mail: Mail, now_ns: int) -> None:
        claim = self.succession.reign.claim
        match mail:
            case Beat(epoch, host):
                if (epoch, host) == (claim.epoch, claim.host_key):
                    self.succession.heard(now_ns)
                elif epoch <= claim.epoch:
                    self.party.send(self, sender, self.show())
            case Show():
                self.on_show(sender, mail, now_ns)
            case SignedHandover():
                self.succession.on_handover(mail, now_ns)
            case SignedRoster():
                self.succession.on_roster(mail)
            case SignedLine():
                self.on_line(mail, now_ns)

    def on_show(self, sender: "Member", shown: Show, now_ns: int) -> None:
        match self.succession.on_claim(shown.reign, now_ns):
            case Follow(reign):
                self.timeline.follow(reign.claim.epoch, reign.claim.host_key)
                self.conductor = None
                self.signed = []
                self.party.broadcast(self, shown)
            case Tell():
                self.party.send(self, sender, self.show())
                return
            case Refuse():
                raise AssertionError("an honest claim was refused")
        if shown.reign.claim == self.succession.reign.claim:
            for line in shown.lines:
                self.on_line(line, now_ns)

    def on_line(self, line: SignedLine, now_ns: int) -> None:
        verdict = self.timeline.offer(line, now_ns)
        assert verdict is not Verdict.FORGED
        if verdict is Verdict.NEWS:
            self.signed = [*self.signed, line][-8:]

    def tick(self, now_ns: int) -> None:
        match self.succession.tick(now_ns):
            case Claimed(reign):
                self.begin(reign, now_ns)
            case Announce():
                self.party.broadcast(self, self.show())
            case GaveUp():
                self.gave_up = True
        if self.succession.is_hosting and now_ns % BEAT_NS == 0:
            claim = self.succession.reign.claim
            self.party.broadcast(self, Beat(claim.epoch, claim.host_key))


class Party:
    """Members, the lines between them, and the time."""

    def __init__(self, seed: int, members: int, on_roster: int | None = None) -> None:
        self.random = random.Random(seed)
        self.now_ns = START_NS
        self.islands: dict[int, int] = {}
        self._mail: list[tuple[int, int, Member, Member, Mail]] = []
        self._sent = 0
        people = [Person(f"member {number}") for number in range(members)]
        self.random.shuffle(people)
        reign = found(GROUP, people[0].key, people[0].sign)
        self.members = [self._member(person, reign) for person in people]
        self.host = self.members[0]
        self.host.conductor = Conductor(self.host.timeline)
        self.host.publish([self.host.conductor.play(START_NS, 0, SONG, RATE_HZ)])
        successors = tuple(person.key for person in people[1:][:on_roster])
        self.broadcast(self.host, self.host.succession.name_successors(successors))

    def _member(self, person: Person, reign: Reign) -> Member:
        succession = Succession(person.key, person.sign, reign, START_NS)
        return Member(person, succession, Timeline(GROUP, 0, reign.claim.host_key), self)

    def send(self, sender: Member, to: Member, mail: Mail) -> None:
        self._sent += 1
        due_ns = self.now_ns + self.random.randrange(1_000_000, 80_000_000)
        heapq.heappush(self._mail, (due_ns, self._sent, sender, to, mail))

    def broadcast(self, sender: Member, mail: Mail) -> None:
        for member in self.members:
            if member is not sender:
                self.send(sender, member, mail)

    def connected(self, one: Member, other: Member) -> bool:
        island = [self.islands.get(self.members.index(member), 0) for member in (one, other)]
        return island[0] == island[1]

    def run(self, seconds: float) -> None:
        """Let time pass; mail to or from whom is cut off is lost."""
        end_ns = self.now_ns + round(seconds * NS_PER_S)
        while self.now_ns < end_ns:
            self.now_ns += TICK_NS
            while self._mail and self._mail[0][0] <= self.now_ns:
                due_ns, _, sender, to, mail = heapq.heappop(self._mail)
                if to.alive and self.connected(sender, to):
                    if to.frozen_until_ns > due_ns:
                        self._sent += 1
                        heapq.heappush(self._mail, (to.frozen_until_ns, self._sent, sender, to, mail))
                    else:
                        to.receive(sender, mail, self.now_ns)
            for member in self.members:
                if member.alive and member.frozen_until_ns <= self.now_ns:
                    member.tick(self.now_ns)
                    self.check(member)

    def check(self, member: Member) -> None:
        """Overridden where something must hold at every moment."""

    def kill(self, member: Member) -> None:
        member.alive = False

    def leave(self, member: Member) -> None:
        handover = member.succession.leave()
        if handover is not None:
            self.broadcast(member, handover)
        member.alive = False

    def split(self, parts: int) -> None:
        self.islands = {number: self.random.randrange(parts) for number in range(len(self.members))}

    def heal(self) -> None:
        self.islands = {}

    def hosts(self) -> list[Member]:
        return [member for member in self.members if member.alive and member.succession.is_hosting]

    def lead(self) -> int:
        return lead_ns(160_000_000)

    def agreed(self) -> Member:
        """The one host that all who are there follow; fails if they do not."""
        (host,) = self.hosts()
        claim = host.succession.reign.claim
        for member in self.members:
            if member.alive:
                theirs = member.succession.reign.claim
                assert (theirs.epoch, theirs.host_key) == (claim.epoch, claim.host_key)
                assert member.succession.state in (State.FOLLOWING, State.HOSTING)
                assert (member.timeline.epoch, member.timeline.host_key) == (claim.epoch, claim.host_key)
        return host
