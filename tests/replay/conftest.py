"""A shop whose live stream lost rows on both sides, made once; each test works on a copy of its own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.support.model import Event
from tests.support.replaying import copy_of
from tests.support.scenario import Scenario


@pytest.fixture(scope="session")
def original(new_scenario: Callable[..., Scenario]) -> Scenario:
    """Three days in month partitions, streamed live and in batch; in the second l1, l2, p-c, p-l1 and p-two are late.

    Late payments leave c unmatched and `two` with one payment. Nothing in the day closes the window of `lone`.
    """
    job = new_scenario(output={"partition_by": "month"})
    job.live(
        (
            [Event("before", 1200), Event("b", 1450, partition=1), Event("c", 1460), Event("two", 1500)],
            [Event("before", 1210, "p-before"), Event("b", 1455, "p-b"), Event("two", 1505, "p-one", partition=1)],
        ),
        (
            [Event("d", 2800), Event("lone", 2870), Event("after", 2890)],
            [Event("d", 2850, "p-d", partition=1), Event("after", 2900)],
        ),
        (
            [Event("l1", 1470, partition=1), Event("l2", 1480), Event("last", 2895)],
            [Event("c", 1465, "p-c"), Event("two", 1510, "p-two"), Event("l1", 1475, "p-l1")],
        ),
        ([Event("end", 6000)], [Event("end", 6000, "p-end")]),
    )
    job.expect(
        rows=["after+after", "b+p-b", "before+p-before", "c", "d+p-d", "end+p-end", "last", "lone", "two+p-one"],
        late=["l1", "l2", "p-c", "p-l1", "p-two"],
    )
    job.batch()
    return job


@pytest.fixture
def shop(original: Scenario, numbers: count[int]) -> Scenario:
    """A copy of the shop's tables in a home of its own, on the same topics."""
    return copy_of(original, f"copy{next(numbers)}")


@pytest.fixture(scope="session")
def numbers() -> count[int]:
    return count()


@pytest.fixture(scope="session")
def played(original: Scenario) -> Scenario:
    """A copy in which the second day was planned and played, but not audited."""
    from tests.support.replaying import SECOND_DAY, planned

    job = copy_of(original, "played")
    planned(job, SECOND_DAY).run()
    return job


@pytest.fixture
def replayed(played: Scenario, numbers: count[int], tmp_path: Path) -> Scenario:
    """A copy of that."""
    return copy_of(played, f"copy{next(numbers)}")
