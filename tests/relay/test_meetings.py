"""The prime's book of hosts: who is sent to whom, what is carried, and what nobody can be made to do."""

import pytest

from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import UserName
from hocket.relay.budget import BURST_BYTES, BYTES_PER_S, Budget, cost
from hocket.relay.keys import GroupId
from hocket.relay.lineage import Reign, Roster, found, sign_roster, succeed
from hocket.relay.meetings import (
    HOSTINGS,
    MAX_CHANNELS,
    MAX_CHANNELS_OF_HOST,
    MAX_CHANNELS_OF_ONE,
    MAX_HOSTS_OF_ONE,
    MEETINGS,
    VISITS,
    Caller,
    Hosting,
    Meetings,
)
from tests.relay.people import Person

GROUP = GroupId("1" * 32)
HOME, AWAY = "93.184.216.34", "81.2.69.142"
AT_HOME = HostPort("192.168.1.5", 25566)
DAY_NS = 24 * 3600 * NS_PER_S


def caller(person: Person, host: str = AWAY, port: int = 40_000, link: str = "") -> Caller:
    return Caller(link or f"line of {person.name}", UserName(person.name), person.key, HostPort(host, port))


class Scene:
    """Anna hosts at home; Ben is elsewhere."""

    def __init__(self) -> None:
        self.book = Meetings()
        self.now_ns = 0
        self.anna, self.ben = Person("Anna"), Person("Ben")
        self.reign = found(GROUP, self.anna.key, self.anna.sign)

    def host(self, *addresses: HostPort, is_listed: bool = True) -> None:
        self.here(caller(self.anna, HOME), self.reign, *(addresses or (AT_HOME,)), is_listed=is_listed)

    def here(self, who: Caller, reign: Reign | None, *addresses: HostPort, is_listed: bool = True) -> None:
        self.now_ns += DAY_NS
        group = GroupId(reign.claim.group) if reign is not None else GroupId("")
        self.book.here(who, group, reign, addresses, is_listed=is_listed, now_ns=self.now_ns)

    def open_door(self) -> None:
        self.book.door(caller(self.anna, HOME, 61_000, "door of Anna"), GROUP)

    def find(self, who: Caller | None = None, group: str = "", at: HostPort | None = None) -> Hosting:
        self.now_ns += DAY_NS
        return self.book.find(who or caller(self.ben), GroupId(group), at, self.now_ns)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def refused(error: pytest.ExceptionInfo[HocketError], code: ErrorCode) -> None:
    assert error.value.code is code
    assert error.value.text


# hosts


def test_a_host_is_found_by_its_group_and_its_addresses(scene: Scene) -> None:
    scene.host()
    assert scene.find(group=GROUP).caller.key == scene.anna.key
    assert scene.find(at=AT_HOME).group == GROUP
    assert scene.find(at=HostPort(HOME, 25566)).group == GROUP
    scene.open_door()
    assert scene.find(at=HostPort(HOME, 61_000)).group == GROUP


@pytest.mark.parametrize("at", [HostPort("192.168.1.6", 25566), HostPort("192.168.1.5", 1), HostPort(HOME, 1), None])
def test_nobody_is_found_elsewhere(scene: Scene, at: HostPort | None) -> None:
    scene.host()
    with pytest.raises(HocketError) as caught:
        scene.find(at=at)
    refused(caught, ErrorCode.NOT_REACHABLE)
    assert caught.value.hint


def test_who_hosts_for_the_invited_is_found_by_the_group_alone(scene: Scene) -> None:
    scene.host(is_listed=False)
    assert scene.find(group=GROUP).caller.key == scene.anna.key
    with pytest.raises(HocketError) as caught:
        scene.find(at=AT_HOME)
    refused(caught, ErrorCode.NOT_REACHABLE)


def test_the_same_address_in_two_homes_is_asked_about(scene: Scene) -> None:
    scene.host()
    carla = Person("Carla")
    other = found(GroupId("2" * 32), carla.key, carla.sign)
    scene.here(caller(carla, "9.9.9.9"), other, AT_HOME)
    with pytest.raises(HocketError) as caught:
        scene.find(at=AT_HOME)
    refused(caught, ErrorCode.AMBIGUOUS)
    assert scene.find(caller(scene.ben, HOME), at=AT_HOME).group == GROUP  # the one in the same home


def test_nobody_says_that_a_stranger_is_it(scene: Scene) -> None:
    forged = (HostPort(AWAY, 80), HostPort("example.org", 80), HostPort("0.0.0.0", 80), HostPort("224.0.0.1", 80))
    scene.host(*forged, AT_HOME, HostPort(HOME, 7))
    host = scene.find(group=GROUP)
    assert host.addresses == (AT_HOME, HostPort(HOME, 7))
    for at in forged:
        with pytest.raises(HocketError):
            scene.find(at=at)


def test_private_addresses_are_for_the_same_home(scene: Scene) -> None:
    scene.host(AT_HOME, HostPort(HOME, 7))
    host = scene.find(group=GROUP)
    assert scene.book.direct(host, caller(scene.ben, AWAY)) == (HostPort(HOME, 7),)
    assert scene.book.direct(host, caller(scene.ben, HOME)) == (AT_HOME, HostPort(HOME, 7))


def test_a_reign_must_be_ones_own(scene: Scene) -> None:
    stolen = caller(scene.ben, AWAY)
    forged = Reign(found(GROUP, scene.ben.key, scene.anna.sign).links, scene.reign.roster)
    for reign in (scene.reign, forged):
        with pytest.raises(HocketError) as caught:
            scene.here(stolen, reign)
        refused(caught, ErrorCode.NOT_ALLOWED)
    assert len(scene.book) == 0


def test_a_session_that_is_hosted_is_taken_over_by_right_alone(scene: Scene) -> None:
    scene.host()
    with pytest.raises(HocketError) as caught:
        scene.here(caller(scene.ben), found(GROUP, scene.ben.key, scene.ben.sign))
    refused(caught, ErrorCode.NOT_ALLOWED)
    heirs = Reign(scene.reign.links, sign_roster(Roster(GROUP, 0, 1, (scene.ben.key,)), scene.anna.sign))
    taken = succeed(heirs, scene.ben.key, scene.ben.sign, ())
    scene.here(caller(scene.ben), taken)
    assert scene.find(caller(Person("Carla")), group=GROUP).caller.key == scene.ben.key
    with pytest.raises(HocketError):
        scene.here(caller(scene.anna, HOME), heirs, AT_HOME)  # back from the dead, and outdated


def test_a_door_is_the_hosts_own(scene: Scene) -> None:
    scene.host()
    with pytest.raises(HocketError) as caught:
        scene.book.door(caller(scene.ben, link="another door"), GROUP)
    refused(caught, ErrorCode.NOT_ALLOWED)
    scene.open_door()
    assert scene.find(group=GROUP).door
    scene.book.gone("door of Anna")
    assert scene.find(group=GROUP).door is None


def test_whoever_is_gone_or_says_so_hosts_no_longer(scene: Scene) -> None:
    scene.host()
    scene.here(caller(scene.anna, HOME), None)
    assert len(scene.book) == 0
    scene.host()
    scene.book.gone("line of Anna")
    assert len(scene.book) == 0


def test_nothing_is_left_of_hosts_that_are_gone(scene: Scene) -> None:
    people = [Person(f"host {number}") for number in range(50)]
    for number, one in enumerate(people):
        group = GroupId(f"{number:032x}")
        scene.here(caller(one, HOME), found(group, one.key, one.sign), AT_HOME, HostPort(HOME, 1 + number))
        scene.book.door(caller(one, HOME, 50_000 + number, f"door of {one.name}"), group)
    for one in people[::2]:
        scene.book.gone(f"line of {one.name}")
    for one in people[1::2]:
        scene.book.gone(f"door of {one.name}")
        scene.here(caller(one, HOME), None)
    kept = [value for name, value in vars(scene.book).items() if name.startswith("_by_")]
    assert kept == [{}, {}, {}, {}]


def test_nobody_follows_itself(scene: Scene) -> None:
    scene.host()
    with pytest.raises(HocketError) as caught:
        scene.find(caller(scene.anna, HOME), group=GROUP)
    refused(caught, ErrorCode.NOT_ALLOWED)


# floods


def test_one_user_looks_for_so_many_hosts(scene: Scene) -> None:
    scene.host()
    now_ns = scene.now_ns
    for _ in range(MEETINGS.burst):
        scene.book.find(caller(scene.ben), GROUP, None, now_ns)
    for who in (caller(scene.ben), caller(scene.ben, link="another connection")):
        with pytest.raises(HocketError) as caught:
            scene.book.find(who, GROUP, None, now_ns)
        refused(caught, ErrorCode.TOO_MANY_REQUESTS)
        assert caught.value.retry_s > 0
    assert scene.book.find(caller(Person("Carla")), GROUP, None, now_ns).group == GROUP
    assert scene.book.find(caller(scene.ben), GROUP, None, now_ns + 2 * NS_PER_S).group == GROUP


def test_one_host_is_looked_for_so_often_by_all_together(scene: Scene) -> None:
    scene.host()
    people = [Person(f"friend {number}") for number in range(VISITS.burst + 1)]
    for person in people[:-1]:
        scene.book.find(caller(person), GROUP, None, scene.now_ns)
    with pytest.raises(HocketError) as caught:
        scene.book.find(caller(people[-1]), GROUP, None, scene.now_ns)
    refused(caught, ErrorCode.TOO_MANY_REQUESTS)


def test_one_user_hosts_so_much(scene: Scene) -> None:
    anna = scene.anna
    for number in range(MAX_HOSTS_OF_ONE):
        reign = found(GroupId(f"{number:032x}"), anna.key, anna.sign)
        scene.here(caller(anna, link=f"line {number}"), reign)
    with pytest.raises(HocketError) as caught:
        scene.here(caller(anna, link="one more"), found(GroupId("f" * 32), anna.key, anna.sign))
    refused(caught, ErrorCode.NODE_FULL)


def test_one_user_begins_and_ends_to_host_so_often(scene: Scene) -> None:
    def end_hosting() -> None:
        scene.book.here(caller(scene.anna), GroupId(""), None, (), is_listed=True, now_ns=scene.now_ns)

    for _ in range(HOSTINGS.burst):
        end_hosting()
    with pytest.raises(HocketError) as caught:
        end_hosting()
    refused(caught, ErrorCode.TOO_MANY_REQUESTS)


# channels


def test_a_channel_carries_both_ways_and_nobody_elses(scene: Scene) -> None:
    scene.host()
    scene.open_door()
    channel = scene.book.open_channel(scene.find(group=GROUP), caller(scene.ben), scene.now_ns)
    assert scene.book.carry("line of Ben", channel.number, 100, scene.now_ns) == "door of Anna"
    assert scene.book.carry("door of Anna", channel.number, 100, scene.now_ns) == "line of Ben"
    assert scene.book.carry("line of Carla", channel.number, 100, scene.now_ns) is None
    assert scene.book.carry("line of Ben", channel.number + 1, 100, scene.now_ns) is None
    assert scene.book.end("line of Carla", channel.number) is None
    assert scene.book.end("line of Ben", channel.number) == "door of Anna"
    assert scene.book.carry("door of Anna", channel.number, 100, scene.now_ns) is None


def test_a_channel_ends_with_either_side(scene: Scene) -> None:
    scene.host()
    scene.open_door()
    host = scene.find(group=GROUP)
    for gone, left in (("line of Ben", "door of Anna"), ("door of Anna", "line of Ben")):
        scene.open_door()
        channel = scene.book.open_channel(host, caller(scene.ben), scene.now_ns)
        assert [(one.number, one.other(gone)) for one in scene.book.gone(gone)] == [(channel.number, left)]
        assert scene.book.channels == 0


def test_music_does_not_fit_through(scene: Scene) -> None:
    scene.host()
    scene.open_door()
    number = scene.book.open_channel(scene.find(group=GROUP), caller(scene.ben), scene.now_ns).number

    def play_cd_music(for_s: int) -> None:
        for tenth in range(10 * for_s):
            scene.book.carry("door of Anna", number, 16_384, scene.now_ns + tenth * NS_PER_S // 10)

    with pytest.raises(HocketError) as caught:
        play_cd_music(10)
    refused(caught, ErrorCode.TOO_MANY_REQUESTS)
    assert (
        scene.book.carry("line of Ben", number, 100, scene.now_ns) is not None
    )  # the other way has a budget of its own


@pytest.mark.parametrize("many", ["of one", "of a host", "of all"])
def test_there_are_so_many_channels(scene: Scene, many: str) -> None:
    homes = [Person(f"host {number}") for number in range(8)]
    hosts = []
    for number, home in enumerate(homes):
        group = GroupId(f"{number:032x}")
        scene.here(caller(home, HOME), found(group, home.key, home.sign), AT_HOME)
        scene.book.door(caller(home, HOME, 61_000, f"door {number}"), group)
        hosts.append(scene.find(group=group))
    most = {"of one": MAX_CHANNELS_OF_ONE, "of a host": MAX_CHANNELS_OF_HOST, "of all": MAX_CHANNELS}[many]
    friends = [Person(f"friend {number}") for number in range(most + 1)]

    def open_one(number: int) -> None:
        friend = scene.ben if many == "of one" else friends[number]
        host = hosts[0] if many == "of a host" else hosts[number % len(hosts)]
        scene.book.open_channel(host, caller(friend, link=f"line {number}"), scene.now_ns)

    for number in range(most):
        open_one(number)
    with pytest.raises(HocketError) as caught:
        open_one(most)
    refused(caught, ErrorCode.NODE_FULL)


def test_a_budget_grows_back() -> None:
    budget = Budget(0)
    assert budget.take(BURST_BYTES, 0)
    assert not budget.take(1, 0)
    wait_ns = budget.wait_ns(cost(1000), 0)
    assert abs(wait_ns - cost(1000) * NS_PER_S // BYTES_PER_S) <= 1
    assert not budget.take(cost(1000), wait_ns - 1)
    assert budget.take(cost(1000), wait_ns)
    assert budget.take(BURST_BYTES, DAY_NS)
    assert not budget.take(1, DAY_NS - NS_PER_S)  # a clock that goes back gives nothing
