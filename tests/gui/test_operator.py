"""The cluster's page of an account that may operate: spawn, drain, plots."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from hocket.gui import texts
from tests.gui.kit import Person, add_operator, person_at
from tests.gui.music import write_library
from tests.kit.cluster import Cluster

NAME, PASSWORD = "keeper", "a long pass phrase"


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("operated")
    write_library(folder / "music", count=2)
    with Cluster(folder, "--idle", "600") as cluster:
        add_operator(cluster, NAME, PASSWORD)
        yield cluster


@pytest.fixture
def operator(app: QApplication, operated: Cluster, tmp_path: Path) -> Iterator[Person]:
    with person_at(app, operated.address, tmp_path / "home") as person:
        person.window.login.user.setText(NAME)
        person.log_in(PASSWORD)
        yield person


def roles(person: Person) -> list[str]:
    return [line.name.text() for line in person.window.cluster.lines.values()]


def test_an_operator_spawns_and_drains(operator: Person) -> None:
    window, page = operator.window, operator.window.cluster
    window.show_page(texts.CLUSTER)
    operator.wait(lambda: page.spawn_file.isVisible(), "the operator's buttons")
    operator.wait(lambda: roles(operator).count("Streaming node") == 1, "the first streaming node")
    operator.wait(lambda: page.throughput.is_ready, "the plots")
    operator.click(page.spawn_file)
    operator.wait(lambda: roles(operator).count("Streaming node") == 2, "a second streaming node")
    operator.wait(
        lambda: sum(line.state.text() == texts.STATES["ready"] for line in page.lines.values()) == 4,
        "four that are ready",
    )
    unused = next(
        line
        for line in page.lines.values()
        if line.name.text() == "Streaming node" and line.load.text().startswith("0")
    )
    operator.click(unused.drain)
    operator.wait(lambda: roles(operator).count("Streaming node") == 1, "one streaming node less")
    assert len(page.history.series()[0]) > 1


def test_what_the_prime_refuses_is_told(operator: Person) -> None:
    window, page = operator.window, operator.window.cluster
    window.show_page(texts.CLUSTER)
    operator.wait(lambda: page.spawn_auth.isVisible(), "the operator's buttons")
    for _ in range(7):
        operator.click(page.spawn_auth)
    operator.wait(lambda: window.shell.notice.title.text() == texts.TITLES["CLUSTER_FULL"], "that no slot is free")
