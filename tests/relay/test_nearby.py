import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.ids import UserName
from hocket.relay.nearby import (
    MAX_LABEL_BYTES,
    MAX_NEIGHBOURS,
    MAX_TEXT_CHARS,
    SERVICE,
    Neighbour,
    Neighbours,
    Notice,
    clean,
    instance_of,
    nearest,
    read_notice,
    texts_of,
)

CLUSTER = "ab" * 32
ANNA = Notice("0123456789abcdef", "living room", UserName("Anna"), CLUSTER[:16], 25566)
OWN = ["192.168.1.7"]


def read(notice: Notice) -> Notice | None:
    return read_notice({key.encode(): value for key, value in texts_of(notice).items()}, notice.port)


def test_what_a_host_says_arrives() -> None:
    assert read(ANNA) == ANNA
    neighbours = Neighbours(CLUSTER)
    assert neighbours.put(instance_of(ANNA), ANNA, ["192.168.1.5"], OWN)
    assert not neighbours.put(instance_of(ANNA), ANNA, ["192.168.1.5"], OWN)
    assert neighbours.listed == (Neighbour("Anna", "living room", "192.168.1.5:25566"),)
    assert neighbours.drop(instance_of(ANNA))
    assert not neighbours.drop(instance_of(ANNA))
    assert not neighbours.listed


@given(st.text(), st.text())
def test_any_names_fit_into_the_records(user: str, name: str) -> None:
    notice = Notice(ANNA.id, name, UserName(user), ANNA.cluster, 1, True)
    instance = instance_of(notice)
    assert instance.endswith(f" {ANNA.id}.{SERVICE}")
    label = instance.removesuffix("." + SERVICE)
    assert len(label.encode()) <= MAX_LABEL_BYTES
    assert "." not in label
    assert all(len(key) + 1 + len(value) <= 255 for key, value in texts_of(notice).items())
    back = read(notice)
    assert back is None or (back.invite_only and back.port == 1)


@given(st.text())
def test_what_is_shown_is_one_clean_line(text: str) -> None:
    shown = clean(text)
    assert len(shown) <= MAX_TEXT_CHARS
    assert not any(unicodedata.category(char).startswith("C") or char in "\n\r\u2028\u2029" for char in shown)
    assert clean(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07Anna", "[2J ]0;owned Anna"),
        ("An\u202ena", "An na"),
        ('Anna\r\n{"event": "ended"}', 'Anna {"event": "ended"}'),
        ("\x00" * 9, ""),
        ("x" * 10**6, "x" * MAX_TEXT_CHARS),
    ],
)
def test_what_would_mislead_a_terminal_is_taken_out(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(
    st.dictionaries(
        st.sampled_from([b"v", b"id", b"n", b"u", b"c", b"i", b"zz"]), st.one_of(st.none(), st.binary(), st.just(b"1"))
    ),
    st.one_of(st.none(), st.integers(-1, 70_000)),
)
def test_any_record_is_a_host_or_nothing(texts: dict[bytes, bytes | None], port: int | None) -> None:
    notice = read_notice(texts, port)
    if notice is not None:
        assert 0 < notice.port < 65536
        assert len(notice.user) <= MAX_TEXT_CHARS
        assert texts[b"v"] == b"1"


@pytest.mark.parametrize(
    "changed",
    [
        Notice(ANNA.id, "", UserName("\x00\x1b"), ANNA.cluster, 1),
        Notice("short", "", ANNA.user, ANNA.cluster, 1),
        Notice(ANNA.id, "", ANNA.user, ANNA.cluster, 0),
    ],
)
def test_what_says_nothing_of_use_is_nobody(changed: Notice) -> None:
    assert read(changed) is None


def test_a_later_version_is_not_guessed_at() -> None:
    texts = {key.encode(): value for key, value in texts_of(ANNA).items()}
    assert read_notice({**texts, b"v": b"2"}, 1) is None
    assert read_notice({key: value for key, value in texts.items() if key != b"v"}, 1) is None


def test_only_ones_own_cluster_and_not_oneself() -> None:
    neighbours = Neighbours("cd" * 32)
    assert not neighbours.put("a", ANNA, ["192.168.1.5"], OWN)
    mine = Neighbours(CLUSTER)
    mine.own_id = ANNA.id
    assert not mine.put("a", ANNA, ["192.168.1.5"], OWN)


def test_who_changes_over_to_another_cluster_is_gone() -> None:
    neighbours = Neighbours(CLUSTER)
    neighbours.put("a", ANNA, ["192.168.1.5"], OWN)
    foreign = Notice(ANNA.id, ANNA.name, ANNA.user, "f" * 16, ANNA.port)
    assert neighbours.put("a", foreign, ["192.168.1.5"], OWN)
    assert neighbours.listed == ()


@pytest.mark.parametrize("hosts", [[], ["127.0.0.1"], ["0.0.0.0", "224.0.0.251", "::1", "fe80::1"]])
def test_an_address_that_leads_nowhere_is_no_neighbour(hosts: list[str]) -> None:
    assert not Neighbours(CLUSTER).put("a", ANNA, hosts, OWN)


def test_of_several_addresses_the_nearest_is_taken() -> None:
    hosts = ["10.8.0.2", "192.168.1.5", "2001:db8::5"]
    assert nearest(hosts, ["192.168.1.7"]) == "192.168.1.5"
    assert nearest(hosts, ["10.8.0.9"]) == "10.8.0.2"
    assert nearest(hosts, ["2001:db8::9"]) == "2001:db8::5"
    assert nearest(hosts, []) == "10.8.0.2"
    assert nearest([f"10.0.0.{number}" for number in range(99)], ["10.0.0.98"]) is not None


def test_a_flood_of_hosts_fills_the_list_and_no_more() -> None:
    neighbours = Neighbours(CLUSTER)
    for number in range(10 * MAX_NEIGHBOURS):
        neighbours.put(str(number), ANNA, ["192.168.1.5"], OWN)
    assert len(neighbours.listed) == MAX_NEIGHBOURS
    assert neighbours.drop("0")
    assert neighbours.put("one more", ANNA, ["192.168.1.5"], OWN)
