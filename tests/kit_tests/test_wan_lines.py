import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.wan_lines import Lines


def lines(hosts: int = 3, seed: int = 1) -> Lines:
    return Lines(hosts, random.Random(seed))


def test_without_settings_nothing_is_held_up() -> None:
    assert lines().due_s(1, 2, 1500, 5.0) == 5.0


def test_each_direction_has_its_own_delay() -> None:
    net = lines()
    net.set_way(1, 2, 20, 0, 0.0, False)
    net.set_way(2, 1, 40, 0, 0.0, False)
    assert net.due_s(1, 2, 100, 1.0) == pytest.approx(1.02)
    assert net.due_s(2, 1, 100, 1.0) == pytest.approx(1.04)
    assert net.due_s(1, 3, 100, 1.0) == 1.0


def test_jitter_spreads_evenly_about_the_delay() -> None:
    net = lines()
    net.set_way(1, 2, 20, 10, 0.0, True)
    late_ms = []
    for second in range(2000):
        due_s = net.due_s(1, 2, 100, float(second))
        assert due_s is not None
        late_ms.append((due_s - second) * 1e3)
    assert 10 <= min(late_ms) < 10.5
    assert 29.5 < max(late_ms) <= 30
    assert sum(late_ms) / len(late_ms) == pytest.approx(20, abs=0.5)


@given(
    sent_ms=st.lists(st.floats(0, 50), min_size=2, max_size=40).map(sorted),
    delay_ms=st.floats(0, 50),
    jitter_ms=st.floats(0, 100),
    seed=st.integers(0, 1000),
)
def test_packets_keep_their_order_and_never_arrive_before_they_were_sent(
    sent_ms: list[float], delay_ms: float, jitter_ms: float, seed: int
) -> None:
    net = lines(seed=seed)
    net.set_way(1, 2, delay_ms, jitter_ms, 0.0, False)
    due_s = [net.due_s(1, 2, 100, at / 1e3) for at in sent_ms]
    kept = [at for at in due_s if at is not None]
    assert kept == sorted(kept)
    assert all(at >= sent / 1e3 for at, sent in zip(kept, sent_ms, strict=True))


def test_order_survives_a_line_that_gets_faster() -> None:
    net = lines()
    net.set_way(1, 2, 500, 0, 0.0, False)
    first = net.due_s(1, 2, 100, 0.0)
    net.set_way(1, 2, 0, 0, 0.0, False)
    assert net.due_s(1, 2, 100, 0.1) == first


def test_reordering_happens_when_asked_for() -> None:
    net = lines()
    net.set_way(1, 2, 20, 10, 0.0, True)
    due_s = [net.due_s(1, 2, 100, n / 1e3) or 0.0 for n in range(50)]
    assert due_s != sorted(due_s)


def test_loss_takes_its_share() -> None:
    net = lines()
    net.set_way(1, 2, 0, 0, 0.25, False)
    lost = sum(net.due_s(1, 2, 100, float(n)) is None for n in range(4000))
    assert 850 < lost < 1150


def test_an_upload_sends_at_its_rate_and_then_queues_and_drops() -> None:
    net = lines()
    net.set_upload(1, 1_000_000, 100)
    due_s = [net.due_s(1, 2 + n % 2, 1250, 3.0) for n in range(20)]
    sent = [at for at in due_s if at is not None]
    assert sent == pytest.approx([3.0 + 0.01 * (n + 1) for n in range(11)])
    assert due_s[11:] == [None] * 9
    assert net.due_s(2, 1, 1250, 3.0) == 3.0
    assert net.due_s(1, 2, 1250, 9.0) == pytest.approx(9.01)
    net.set_upload(1, 0, 100)
    assert net.due_s(1, 2, 1250, 10.0) == 10.0


def test_a_cut_host_is_alone_until_it_is_healed() -> None:
    net = lines()
    net.cut(2)
    assert [net.is_open(*way) for way in ((1, 2), (2, 1), (3, 2), (1, 3))] == [False, False, False, True]
    assert net.due_s(1, 2, 100, 0.0) is None
    net.heal(2)
    assert net.is_open(1, 2)


def test_a_one_way_cut_leaves_the_way_back() -> None:
    net = lines()
    net.cut(1, 2)
    assert not net.is_open(1, 2)
    assert net.is_open(2, 1)
    net.heal(1, 2)
    assert net.is_open(1, 2)


def test_a_partition_joins_only_the_hosts_of_one_group() -> None:
    net = lines(5)
    net.partition([{1, 2}, {3}])
    joined = {(a, b) for a in net.hosts for b in net.hosts if a < b and net.is_open(a, b)}
    assert joined == {(1, 2), (4, 5)}
    net.cut(1)
    net.partition([])
    assert net.is_open(2, 3)
    assert not net.is_open(1, 2)
    net.heal_all()
    assert net.is_open(1, 2)


def test_what_makes_no_sense_is_refused() -> None:
    net = lines()
    for loss, delay_ms in ((1.5, 0), (-0.1, 0), (0.0, -1)):
        with pytest.raises(ValueError, match="no such line"):
            net.set_way(1, 2, delay_ms, 0, loss, False)
    with pytest.raises(ValueError, match="no host 4"):
        net.cut(4)
    with pytest.raises(ValueError, match="two groups"):
        net.partition([{1, 2}, {2}])
    with pytest.raises(ValueError, match="itself"):
        net.set_way(1, 1, 0, 0, 0.0, False)
    with pytest.raises(ValueError, match="no such upload"):
        net.set_upload(1, -1, 100)
