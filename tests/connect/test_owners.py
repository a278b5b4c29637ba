"""One contract writes a table, and others with the very same source may read its archive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from click.testing import CliRunner

from plumbline.batch_reference import run as batch_reference
from plumbline.cli import cli
from plumbline.connect import owners
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.pinned import connection
from plumbline.connect.tables import ARCHIVE_SCHEMA
from plumbline.contract.errors import SetupError, UsageError
from plumbline.contract.loader import load, parse
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.inputs.day_ranges import Windows
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.replay.recover.archivers import without_checkpoint
from plumbline.replay.recover.past import Past
from plumbline.stream_job.checkpoint_health import Exchange
from plumbline.stream_job.job_folder import JobFolder
from tests.support.scenario import contract_body

ROWS = pa.schema([("id", pa.string())])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.resolve(tmp_path / "home")


@pytest.fixture
def lake(home: Home) -> Lake:
    return Lake.open(home)


def body(name: str, **orders: Any) -> dict[str, Any]:
    """A contract on the topics and archives that all share, with output tables of its own."""
    made = contract_body("shop", {"bootstrap.servers": "127.0.0.1:1"}) | {"contract": name}
    made["sources"]["orders"] |= orders
    made["output"] |= {"stream_table": f"{name}.stream", "batch_table": f"{name}.batch"}
    return made


def contract(name: str, **orders: Any) -> Contract:
    return parse(yaml.safe_dump(body(name, **orders)))


def archives(lake: Lake, of: Contract) -> frozenset[str]:
    """Start a job as far as its archives: claimed, then made where they are missing."""
    shared = owners.claim_archives(lake, of, lambda line: None)
    for name in of.sources.keys() - shared:
        lake.ensure_table(of.sources[name].archive, ARCHIVE_SCHEMA, None, owners.named_archive(of, name))
        owners.refuse_lost_race(lake, of, name)
    return shared


def test_the_first_contract_archives_a_topic_and_the_second_reads_it(lake: Lake) -> None:
    first, second = contract("shop"), contract("shop2")
    assert archives(lake, first) == frozenset()
    said: list[str] = []
    assert owners.claim_archives(lake, second, said.append) == {"orders", "payments"}
    assert "contract shop archives shop.orders in raw.orders; this job reads it only" in said[0]
    assert archives(lake, first) == frozenset()
    owners.refuse_taken(lake, second)


def test_what_does_not_decide_the_archive_may_differ(lake: Lake) -> None:
    archives(lake, contract("shop"))
    other = contract("shop2", watermark="2 hours", where="amount > 5", compute={"double_amount": "amount * 2"})
    assert archives(lake, other) == {"orders", "payments"}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"topic": "other.orders"}, r"topic \(shop\.orders, not other\.orders\)"),
        ({"event_id": "label"}, "event_id"),
        ({"max_bytes": 10}, "max_bytes"),
        ({"event_time_within": ["-1 hours", "1 hours"]}, "event_time_within"),
    ],
)
def test_another_source_in_the_archive_is_refused(lake: Lake, changed: dict[str, Any], named: str) -> None:
    archives(lake, contract("shop"))
    other = contract("shop2", **changed)
    for refuse in (owners.refuse_taken, archives):
        with pytest.raises(UsageError, match=f"cannot archive source 'orders': .*shop.* differs in {named}"):
            refuse(lake, other)


def test_an_archive_without_an_owner_is_claimed_unless_it_holds_another_topic(lake: Lake) -> None:
    made = lake.ensure_table("raw.orders", ARCHIVE_SCHEMA)
    record = {field.name: None for field in ARCHIVE_SCHEMA} | {"topic": "old.orders"}
    made.append(pa.Table.from_pylist([record], schema=ARCHIVE_SCHEMA))
    with pytest.raises(UsageError, match=r"it holds records of topic old\.orders"):
        archives(lake, contract("shop"))
    assert archives(lake, contract("shop", topic="old.orders")) == frozenset()
    with pytest.raises(UsageError, match=r"it holds topic old\.orders"):
        archives(lake, contract("shop"))


def test_the_owner_may_change_how_it_reads_its_topic_and_then_others_no_longer_agree(lake: Lake) -> None:
    archives(lake, contract("shop"))
    archives(lake, contract("shop", max_bytes=10))
    with pytest.raises(UsageError, match="max_bytes"):
        archives(lake, contract("shop2"))


def test_who_comes_second_while_both_start_is_told_to_start_again(lake: Lake) -> None:
    second = contract("shop2")
    assert owners.claim_archives(lake, second, pytest.fail) == frozenset()
    archives(lake, contract("shop"))
    with pytest.raises(SetupError, match="contract shop has begun to archive"):
        owners.refuse_lost_race(lake, second, "orders")


def test_of_two_that_look_at_the_same_moment_one_owns_the_archive_and_the_other_reads_it(lake: Lake) -> None:
    """The second has seen a table without an owner; the first notes itself before the second does."""
    for table in ("raw.orders", "raw.payments"):
        lake.ensure_table(table, ARCHIVE_SCHEMA)
    first, second, said = contract("shop"), contract("shop2"), list[str]()
    late = lake.held()
    assert owners.archive_owner(late, second, "orders") is None
    late.load("raw.orders"), late.load("raw.payments")

    def between(look: Callable[..., bool]) -> Callable[..., bool]:
        def noted(*given: Any, **named: Any) -> bool:
            owners.claim_archives(lake, first, said.append)
            return look(*given, **named)

        return noted

    object.__setattr__(late, "set_properties", between(late.set_properties))
    assert owners.claim_archives(late, second, said.append) == {"orders", "payments"}
    assert "contract shop archives" in said[-1]
    assert owners.archive_owner(lake, first, "orders") is None
    assert owners.claim_archives(lake, first, pytest.fail) == frozenset()


def test_at_most_one_of_many_that_start_together_owns_the_archive(lake: Lake, home: Home) -> None:
    lake.ensure_table("raw.orders", ARCHIVE_SCHEMA)
    lake.ensure_table("raw.payments", ARCHIVE_SCHEMA)
    together = threading.Barrier(4)

    def start(number: int) -> bool:
        mine, of = Lake.open(home), contract(f"shop{number}")
        together.wait()
        shared = owners.claim_archives(mine, of, lambda line: None)
        together.wait()  # the join starts meanwhile, which takes seconds
        if "orders" in shared:
            return False
        try:
            owners.refuse_lost_race(mine, of, "orders")
        except SetupError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(start, range(4))) == 1


@pytest.mark.parametrize("part", [owners.STREAM, owners.BATCH])
def test_output_tables_belong_to_one_contract(lake: Lake, part: str) -> None:
    first, table = contract("shop"), f"shop.{'stream' if part == owners.STREAM else 'batch'}"
    lake.ensure_table(table, ROWS)
    owners.claim(lake, first, part)
    owners.claim(lake, first, part)
    other = body("shop2")
    other["output"][part] = table
    with pytest.raises(UsageError, match=rf"{table} is the {part} of contract shop: two writers would mix"):
        owners.refuse_taken(lake, parse(yaml.safe_dump(other)))
    swapped = body("shop")
    swapped["output"] |= {"stream_table": "shop.batch", "batch_table": "shop.stream"}
    with pytest.raises(UsageError, match=f"{table} is the {part} of contract shop"):
        owners.refuse_taken(lake, parse(yaml.safe_dump(swapped)))


def test_an_archive_is_no_output_table_and_the_reverse(lake: Lake) -> None:
    archives(lake, contract("shop"))
    other = body("shop2")
    other["output"]["stream_table"] = "raw.orders"
    other["sources"]["orders"]["archive"] = "raw.mine"
    with pytest.raises(UsageError, match=r"raw\.orders is the archive of contract shop"):
        owners.refuse_taken(lake, parse(yaml.safe_dump(other)))
    lake.ensure_table("shop.stream", ROWS)
    owners.claim(lake, contract("shop"), owners.STREAM)
    with pytest.raises(UsageError, match="it is the stream_table of contract shop"):
        archives(lake, contract("shop2", archive="shop.stream"))


def test_an_archive_is_taken_over_by_a_step_of_its_own(lake: Lake, home: Home, tmp_path: Path) -> None:
    archives(lake, contract("shop"))
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump(body("shop2")))
    asked = [str(file), "--source", "orders", "--home", str(home.root)]
    shown = CliRunner().invoke(cli, ["stream", "take-archive", *asked])
    assert "raw.orders: written by contract shop until now" in shown.output
    assert archives(lake, load(file)) == {"orders", "payments"}, "nothing was done without --execute"
    with JobFolder(home.checkpoints / "shop").owned():
        running = CliRunner().invoke(cli, ["stream", "take-archive", *asked, "--execute"])
    assert "the job of contract shop runs" in str(running.exception)
    assert CliRunner().invoke(cli, ["stream", "take-archive", *asked, "--execute"]).exit_code == 0
    assert archives(lake, load(file)) == {"payments"}
    assert archives(lake, contract("shop")) == {"orders"}


def test_a_recovery_names_the_archivers_of_its_own_contract_only(lake: Lake, home: Home, tmp_path: Path) -> None:
    archives(lake, contract("shop", topic="other.orders"))
    made = body("shop2")
    made["sources"]["orders"]["archive"] = "raw.mine"
    second = parse(yaml.safe_dump(made))
    assert archives(lake, second) == {"payments"}
    con, job = connection(), JobFolder(tmp_path / "job")
    for side in ("left", "right"):
        con.execute(f"CREATE TABLE {side}_index AS SELECT 1 AS partition")
    past = Past(Pins(con, lake, second, TimeRange(), {}, (), "1GB", None, Windows(())), None, None, (), ({}, {}))
    assert without_checkpoint(past, second, Exchange(job)) == ["orders"]


@pytest.mark.parametrize(
    ("job", "said", "owned", "refused"),
    [
        pytest.param(True, {}, False, True, id="rows of a query of their own"),
        pytest.param(
            True, {"plumbline.range.from": "open"}, False, False, id="rows of a batch run before there were owners"
        ),
        pytest.param(True, {}, True, False, id="a table of ours"),
        pytest.param(True, None, False, False, id="an empty table"),
        pytest.param(False, {}, False, False, id="no job of their own"),
    ],
)
def test_a_batch_run_replaces_no_rows_of_a_team_beside_its_job(
    lake: Lake, home: Home, job: bool, said: dict[str, str] | None, owned: bool, refused: bool
) -> None:
    made = parse(yaml.safe_dump(body("a") | ({"job": {"kind": "other"}} if job else {})))
    properties = owners.named(made, owners.BATCH) if owned else {}
    lake.ensure_table("a.batch", ROWS, properties=properties)
    if said is not None:
        lake.append("a.batch", pa.Table.from_pylist([{"id": "1"}], schema=ROWS), said)
    # The archives are not there: what is not refused for its rows stops at them.
    with pytest.raises(
        UsageError if refused else SetupError, match="a batch run would replace" if refused else "archive"
    ):
        batch_reference.run(made, home, TimeRange())
    assert lake.load("a.batch").properties.get(owners.OWNER) == properties.get(owners.OWNER)
