"""What the streaming job refuses before it starts: another job's checkpoint, another meaning, topics that are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from plumbline.contract.errors import SetupError, UsageError
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.stream_job.job_folder import JobFolder
from tests.support.scenario import Scenario, contract_body, within


def contract(**join: Any) -> Contract:
    body = contract_body("shop", {"bootstrap.servers": "127.0.0.1:1"})
    return parse(yaml.safe_dump({**body, "join": body["join"] | join}, sort_keys=False))


def with_source(source: str, **changes: Any) -> Contract:
    body = contract_body("shop", {"bootstrap.servers": "127.0.0.1:1"})
    body["sources"][source] |= changes
    return parse(yaml.safe_dump(body, sort_keys=False))


CHANGES = [
    pytest.param(
        contract(within=within(0, 30)), r"join.within was \['0 .*', '1 hour'\], is now \['0 .*', '30 minutes'\]", id="W"
    ),
    pytest.param(contract(on=["id", "shop"]), r"join.on was \['id'\], is now \['id', 'shop'\]", id="join columns"),
    pytest.param(contract(kind="inner"), "join.kind was 'left_outer', is now 'inner'", id="kind"),
    pytest.param(
        with_source("orders", watermark="1 hour"),
        "sources.orders.watermark was '10 minutes', is now '1 hour'",
        id="delay",
    ),
    pytest.param(
        with_source("payments", where="paid > 0"), "sources.payments.where was None, is now 'paid > 0'", id="condition"
    ),
]


@pytest.mark.parametrize(("changed", "message"), CHANGES)
def test_a_contract_with_another_meaning(tmp_path: Path, changed: Contract, message: str) -> None:
    job = JobFolder(tmp_path / "job")
    job.refuse_other_semantics(contract())
    job.refuse_other_semantics(contract())
    with pytest.raises(UsageError, match=message) as caught:
        job.refuse_other_semantics(changed)
    assert str(tmp_path / "job") in str(caught.value)
    job.refuse_other_semantics(contract())


def test_more_than_one_change_is_counted(tmp_path: Path) -> None:
    job = JobFolder(tmp_path / "job")
    job.refuse_other_semantics(contract())
    with pytest.raises(UsageError, match=r"join.kind was .* and 1 more"):
        job.refuse_other_semantics(contract(kind="inner", on=["id", "shop"]))


def test_the_order_of_fields_is_the_order_of_columns_in_state(tmp_path: Path) -> None:
    job = JobFolder(tmp_path / "job")
    job.refuse_other_semantics(contract())
    fields = dict(reversed(contract().left.fields.items()))
    with pytest.raises(UsageError, match=r"sources.orders.fields was \['id', .*\], is now \['amount', "):
        job.refuse_other_semantics(with_source("orders", fields=fields))


def test_a_change_of_tuning_is_none_of_meaning(tmp_path: Path) -> None:
    body = contract_body("shop", {"bootstrap.servers": "127.0.0.1:1"})
    job = JobFolder(tmp_path / "job")
    job.refuse_other_semantics(parse(yaml.safe_dump(body, sort_keys=False)))
    tuned = body | {"stream": {"max_events_per_epoch": 7}, "kafka": {"bootstrap.servers": "127.0.0.1:2"}}
    job.refuse_other_semantics(parse(yaml.safe_dump(tuned, sort_keys=False)))


@pytest.mark.kafka
@pytest.mark.spark
def test_a_second_job_on_one_checkpoint(new_scenario: Callable[..., Scenario]) -> None:
    job = new_scenario()
    with job.running():
        job.caught_up()
        with pytest.raises(SetupError, match="another job already works on this checkpoint"):
            job.epoch()
    job.epoch()


@pytest.mark.kafka
@pytest.mark.spark
def test_a_missing_topic(new_scenario: Callable[..., Scenario]) -> None:
    job = new_scenario()
    topic = job.contract.left.topic
    job.change_contract(sources={"orders": {"topic": f"{topic}x"}})
    with pytest.raises(SetupError, match=f"topic {topic}x does not exist.*did you mean {topic}\\?"):
        job.epoch()
