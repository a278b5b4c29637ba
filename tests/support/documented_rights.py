"""The Kafka rights that docs/production.md lists, as entries of the brokers' access lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.support.secured_brokers import Grant

DOCUMENTED = Path(__file__).parents[2] / "docs" / "production.md"
OPERATIONS = {"Describe": "DESCRIBE", "DescribeConfigs": "DESCRIBE_CONFIGS", "Read": "READ", "Write": "WRITE"}


def documented() -> Iterator[tuple[str, str, str]]:
    """(on what, operation, needed by) of each right in the page's table."""
    for on, operations, needed_by in re.findall(r"^\| Kafka, (.+?) \| (.+?) \| (.+?) \|", DOCUMENTED.read_text(), re.M):
        yield from ((on, OPERATIONS[each], needed_by) for each in operations.split(", ") if each in OPERATIONS)


def of_a_job(topics: Iterable[str]) -> list[Grant]:
    """What the page says that a job on these topics needs."""
    found = [op for on, op, by in documented() if on == "each topic" and "kafka produce" not in by]
    return [Grant("TOPIC", topic, operation) for topic in topics for operation in found]


def of_a_feed(topic: str) -> list[Grant]:
    """What it says that `replay feed` to this topic needs beside that."""
    mine = [(on, operation) for on, operation, by in documented() if "replay feed" in by]
    topics = [Grant("TOPIC", topic, operation) for on, operation in mine if "topic" in on]
    ids = [Grant("TRANSACTIONAL_ID", "plumbline-", op, prefixed=True) for on, op in mine if "transactional" in on]
    return topics + ids
