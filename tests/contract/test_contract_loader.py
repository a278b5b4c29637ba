"""What a right contract says once it is read."""

from __future__ import annotations

from datetime import timedelta
from importlib.resources import files

import pytest

from plumbline.contract.equality import Tolerance
from plumbline.contract.lineage import LINEAGE
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from tests.support.visits import ENVIRONMENT, TEXT, changed

VISITS = parse(TEXT, "visits.yaml", ENVIRONMENT)


def test_sources_and_join() -> None:
    assert VISITS.left.topic == "site.views"
    assert VISITS.right.watermark == timedelta(seconds=90)
    assert VISITS.join.pairs == (("view_id", "view"),)
    assert VISITS.join.within == (timedelta(minutes=-5), timedelta(hours=2))


@pytest.mark.parametrize(
    ("mixed", "plain"),
    [
        ("[user_id, {view_id: view}]", "{user_id: user_id, view_id: view}"),
        ("[user_id, view_id: view]", "{user_id: user_id, view_id: view}"),
        ("[{view_id: view}, user_id]", "{view_id: view, user_id: user_id}"),
        ("[{view_id: view, user_id: user_id}]", "{view_id: view, user_id: user_id}"),
        ("[{view_id: view}]", "{view_id: view}"),
    ],
)
def test_a_list_of_joins_may_mix_shared_fields_and_pairs(mixed: str, plain: str) -> None:
    """It is the mapping of the same meaning: the same pairs in the same order, and one fingerprint."""
    listed, mapped = (
        parse(changed("  on:\n    view_id: view", f"  on: {on}"), environment=ENVIRONMENT) for on in (mixed, plain)
    )
    assert listed.join.pairs == mapped.join.pairs
    assert listed.semantics() == mapped.semantics()
    assert listed.fingerprint() == mapped.fingerprint()


def test_output_columns_have_their_origin_keys_first() -> None:
    origins = [(column.name, column.source, column.field, column.sql) for column in VISITS.output_columns]
    assert origins == [
        ("view_id", "views", "view_id", None),
        ("page", "views", "page", None),
        ("viewed_at", "views", "viewed_at", None),
        ("paid", "buys", "price", None),
        ("cents", None, None, "round(buys.price * 100)"),
    ]
    assert VISITS.value_columns == ("page", "viewed_at", "paid", "cents")
    assert VISITS.table_columns == ("view_id", "page", "viewed_at", "paid", "cents", *LINEAGE)


def test_a_key_may_be_an_output_column() -> None:
    contract = parse(changed("  key: [view_id]", "  key: [page, user_id]"), environment=ENVIRONMENT)
    assert [column.name for column in contract.output_columns][:3] == ["page", "user_id", "viewed_at"]
    assert contract.output_columns[1].source == "views"


def test_tolerances_in_the_form_of_the_diff() -> None:
    tolerances = VISITS.reconcile.as_tolerances()
    assert tolerances == {"paid": Tolerance(abs=0.5), "cents": Tolerance(ignore=True)}
    rounded = parse(changed("cents: ignore", "viewed_at: {round_to: 2 s}"), environment=ENVIRONMENT)
    assert rounded.reconcile.as_tolerances()["viewed_at"] == Tolerance(round_to_ms=2000)


def test_client_properties_are_text_and_come_from_the_environment() -> None:
    assert VISITS.kafka == {"bootstrap.servers": "broker:9092", "session.timeout.ms": "6000"}
    contract = parse(changed("session.timeout.ms: 6000", "enable.idempotence: true"), environment=ENVIRONMENT)
    assert contract.kafka is not None
    assert contract.kafka["enable.idempotence"] == "true"


def test_secrets_are_not_in_the_text_of_a_contract() -> None:
    contract = parse(
        changed("session.timeout.ms: 6000", "sasl.password: ${PW}"), environment={**ENVIRONMENT, "PW": "swordfish"}
    )
    assert "swordfish" not in repr(contract)
    assert "swordfish" not in str(contract.semantics())


@pytest.mark.parametrize(
    ("text", "value"),
    [("${A}", "one"), ("x-${A}-${B}", "x-one-two"), ("$A ${", "$A ${"), ("${A}${A}", "oneone")],
)
def test_variables_are_replaced_inside_text(text: str, value: str) -> None:
    contract = parse(
        changed("topic: site.buys", f"topic: '{text}'"), environment={**ENVIRONMENT, "A": "one", "B": "two"}
    )
    assert contract.right.topic == value


def test_a_byte_order_mark_is_no_part_of_the_contract() -> None:
    assert parse("\ufeff" + TEXT, environment=ENVIRONMENT) == VISITS


SAME_ROWS = {
    "a comment": ("contract: visits", "contract: visits  # ours"),
    "another spelling of a duration": ("watermark: 90 s", "watermark: 1.5 min"),
    "a default written out": ("topic: site.buys", "topic: site.buys\n    format: json"),
    "tuning": ("max_events_per_epoch: 500", "max_events_per_epoch: 900"),
    "alarms": ('unexplained: "> 0"', 'unexplained: "> 5"'),
    "clients": ("session.timeout.ms: 6000", "session.timeout.ms: 9000"),
}
OTHER_ROWS = {
    "the interval": ("[-5 minutes, 2 hours]", "[-5 minutes, 3 hours]"),
    "a watermark": ("watermark: 90 s", "watermark: 91 s"),
    "the kind": ("kind: left_outer", "kind: inner"),
    "a field's type": ("user_id: long", "user_id: int"),
    "the order of columns": ("    - views.page\n    - views.viewed_at", "    - views.viewed_at\n    - views.page"),
    "a column's SQL": ("price * 100", "price * 101"),
    "the partitions of state": ("max_events_per_epoch: 500", "shuffle_partitions: 3"),
}


@pytest.mark.parametrize(("old", "new"), SAME_ROWS.values(), ids=SAME_ROWS.keys())
def test_the_fingerprint_stays(old: str, new: str) -> None:
    assert parse(changed(old, new), environment=ENVIRONMENT).fingerprint() == VISITS.fingerprint()


@pytest.mark.parametrize(("old", "new"), OTHER_ROWS.values(), ids=OTHER_ROWS.keys())
def test_the_fingerprint_changes(old: str, new: str) -> None:
    assert parse(changed(old, new), environment=ENVIRONMENT).fingerprint() != VISITS.fingerprint()


@pytest.mark.parametrize(
    ("package", "name"), [("plumbline.demo.flights", "flights.yaml"), ("plumbline.commands", "starter.yaml")]
)
def test_the_shipped_contracts_are_right(package: str, name: str) -> None:
    assert isinstance(parse((files(package) / name).read_text(), name, {}), Contract)
