"""What all tests share: the repository's jars, one real broker and one Spark per process, and jobs of their own.

The broker and Spark start when the first test asks for them and end with this process.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from plumbline.connect.broker import BrokerInfo
from plumbline.connect.home import Home
from tests.support import class_archive, documents, temporary_files
from tests.support.checked_relations import hold_relations_to_their_declarations

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tests.support.scenario import Scenario

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("PLUMBLINE_JARS", str(ROOT / ".plumbline" / "jars"))
os.environ.update(class_archive.environment())
settings.register_profile("drawn_once", derandomize=True)
if "HYPOTHESIS_PROFILE" not in os.environ:  # HYPOTHESIS_PROFILE=default draws other examples at each run
    settings.load_profile("drawn_once")
documents.watch()
hold_relations_to_their_declarations()


FIRST = (
    "tests/stream_job/test_maintain.py",
    "tests/stream_job/test_quarantine.py",
    "tests/replay/test_recover_aggregate.py",
    "tests/stream_job/test_join_kinds.py",
    "tests/test_readme.py",
    "tests/browser/test_pages_in_chromium.py",
    "tests/reconcile/test_printed_commands.py",
    "tests/reconcile/diff/test_model.py",
)
"""The longest files, longest first: one that begins last lets the other process wait for it."""

FILES_IN_MEMORY = pytest.StashKey[Path | None]()

LONG_FILES = {
    ROOT / line.split()[0]
    for line in (ROOT / "tests" / "long_files.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
}
NEEDS = {"spark": "spark", "broker": "kafka", "browser": "browser", "offline": "java"}
"""Fixture to the mark of each test that uses it, by whatever way."""


def pytest_configure(config: pytest.Config) -> None:
    """The process that hands the tests out says where temporary files are; those that run them are told by it."""
    config.stash[FILES_IN_MEMORY] = temporary_files.in_memory()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Free the memory at the very end; what a failed test left stays until the next run."""
    folder = session.config.stash[FILES_IN_MEMORY]
    if folder is not None and exitstatus != pytest.ExitCode.TESTS_FAILED:
        session.config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs Spark, a broker or a browser; files with slow tests first, then those that need the broker.

    Two processes end together only if the short files come last; `make test` hands the files out in this order.
    """
    weights: dict[Path, int] = {}
    for item in items:
        for fixture in NEEDS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(NEEDS[fixture])
        if item.path in LONG_FILES:
            item.add_marker("long")
        weight = 2 if item.get_closest_marker("slow") else 1 if item.get_closest_marker("kafka") else 0
        weights[item.path] = max(weight, weights.get(item.path, 0))
    weights |= {ROOT / file: 3 + len(FIRST) - place for place, file in enumerate(FIRST)}
    items.sort(key=lambda item: -weights[item.path])


@pytest.fixture(autouse=True)
def documents_as_their_schemas_say() -> Iterator[None]:
    """Fails the test in which a command made a document that is not as its schema in docs/schemas says."""
    yield
    assert documents.complaints() == []


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> BrokerInfo:
    """The process's one local Kafka broker. Topics stay, so give yours names of their own."""
    from plumbline.connect.broker import start

    return start(Home.resolve(tmp_path_factory.mktemp("broker")))


@pytest.fixture(scope="session")
def kafka(broker: BrokerInfo) -> dict[str, str]:
    """Client properties of the shared broker."""
    return {"bootstrap.servers": broker.bootstrap_servers}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> SparkSession:
    """The process's one Spark, on an empty lake; `plumbline.connect.spark.session` gives another lake its session."""
    from plumbline.connect.lake import Lake
    from plumbline.connect.spark import session

    home = Home.resolve(tmp_path_factory.mktemp("spark"))
    return session(home, Lake.open(home), app="tests")


@pytest.fixture(scope="session")
def new_scenario(
    tmp_path_factory: pytest.TempPathFactory, kafka: dict[str, str], spark: SparkSession
) -> Callable[..., Scenario]:
    """Makes a scenario in a home of its own, with topics of its own; takes changes to its contract."""
    from tests.support.scenario import Scenario

    numbers = count()

    def made(**changes: Any) -> Scenario:
        name = f"s{next(numbers)}"
        return Scenario.begin(tmp_path_factory.mktemp(name), kafka, name, changes)

    return made
