"""What a checkpoint takes of a changed contract and what it refuses, with the line and what Spark would have done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from plumbline.contract.errors import UsageError
from plumbline.contract.evolution import compare
from plumbline.contract.loader import load, parse
from plumbline.contract.model import Contract
from plumbline.stream_job import fingerprint
from tests.support.scenario import contract_body

Body = dict[str, Any]


def body() -> Body:
    made = contract_body("shop", {"bootstrap.servers": "127.0.0.1:1"})
    made["sources"]["orders"]["fields"] |= {"pieces": "int", "weight": "float", "price": "decimal(9,2)"}
    made["output"]["columns"] += ["orders.pieces", {"heavy": "orders.weight > 2"}]
    return made


def changed(**changes: Any) -> Contract:
    """The contract with values at dotted paths replaced; None takes the key away."""
    made = body()
    for path, value in changes.items():
        *way, last = path.split("__")
        here = made
        for key in way:
            here = here.setdefault(key, {})
        if value is None:
            del here[last]
        else:
            here[last] = value
    return parse(yaml.safe_dump(made, sort_keys=False))


def orders(without: tuple[str, ...] = (), **fields: str) -> dict[str, str]:
    kept = {name: kind for name, kind in body()["sources"]["orders"]["fields"].items() if name not in without}
    return {**kept, **fields}


FIELDS, ALIASES = "sources__orders__fields", "sources__orders__aliases"
COLUMNS = "output__columns"

TAKEN = [
    pytest.param({FIELDS: orders(coupon="string")}, ["field orders.coupon (string) is new"], id="field added"),
    pytest.param({FIELDS: orders(("price",))}, ["field orders.price is gone"], id="field dropped"),
    pytest.param({FIELDS: orders(pieces="long")}, ["orders.pieces is widened from int to long"], id="int to long"),
    pytest.param({FIELDS: orders(weight="double")}, ["orders.weight is widened"], id="float to double"),
    pytest.param({FIELDS: orders(price="decimal(12,2)")}, ["orders.price is widened"], id="more digits"),
    pytest.param(
        {
            FIELDS: orders(("pieces",), parts="long"),
            ALIASES: {"parts": ["pieces"]},
            COLUMNS: [*body()["output"]["columns"][:-2], {"pieces": "orders.parts"}, {"heavy": "orders.weight > 2"}],
        },
        ["field orders.pieces is now called parts", "field orders.parts is widened"],
        id="renamed and widened, its column as before",
    ),
    pytest.param(
        {
            FIELDS: {"nr": "string", **orders(("id", "at")), "placed": "timestamp"},
            ALIASES: {"nr": ["id"], "placed": ["at"]},
            "sources__orders__event_time": "placed",
            "join__on": {"nr": "id"},
            COLUMNS: [{"id": "orders.nr"}, *body()["output"]["columns"]],
        },
        ["orders.id is now called nr", "orders.at is now called placed"],
        id="join column and event time renamed",
    ),
    pytest.param({ALIASES: {"label": ["tag"]}}, ["orders.label is also read under the name tag"], id="another name"),
    pytest.param(
        {COLUMNS: [*body()["output"]["columns"], "orders.shop"]}, ["output column shop is new"], id="column added"
    ),
    pytest.param({COLUMNS: body()["output"]["columns"][:-1]}, ["output column heavy is gone"], id="column dropped"),
    pytest.param({"sources__orders__compute": {"twice": "2 * pieces"}}, ["orders.twice is new"], id="computed"),
    pytest.param({"output__batch_table": "joined.other"}, ["the batch begins a new table"], id="batch table"),
    pytest.param({"stream__every": "5 seconds", "stream__max_events_per_epoch": 7}, [], id="tuning"),
    pytest.param({"kafka": {"bootstrap.servers": "127.0.0.1:2"}}, [], id="broker's address"),
    pytest.param({"reconcile": {"tolerances": {"amount": {"abs": 0.1}}}}, [], id="tolerance"),
    pytest.param({"expectations": {"min_rows": 3}}, [], id="expectation"),
]

REFUSED = [
    pytest.param({"join__within": ["0 minutes", "90 minutes"]}, "within was", "silently missing", id="interval"),
    pytest.param({"sources__payments__watermark": "1 hour"}, "watermark was '10 minutes'", "drop as late", id="delay"),
    pytest.param({"join__kind": "inner"}, "join.kind was 'left_outer', is now 'inner'", "missing or", id="kind"),
    pytest.param({"join__on": ["id", "shop"]}, "join.on was ['id']", "by position", id="key"),
    pytest.param({"output__key": ["id"]}, "output.key was", "not made for", id="output key"),
    pytest.param({"stream__shuffle_partitions": 3}, "partitions was 2, is now 3", "ignore the", id="partitions"),
    pytest.param({"stream__state": "rocksdb"}, "stream.state was 'memory'", "ignore the contract", id="state"),
    pytest.param({"sources__orders__where": "amount > 1"}, "where was None", "old condition", id="condition"),
    pytest.param({"sources__orders__topic": "shop.other"}, "topic was", "offsets belong", id="topic"),
    pytest.param({FIELDS: orders(pieces="string")}, "fields.pieces was 'int', is now 'string'", "new type", id="type"),
    pytest.param({FIELDS: orders(pieces="double")}, "fields.pieces was 'int'", "new type", id="int to double"),
    pytest.param({FIELDS: dict(reversed(orders().items()))}, "fields was ['id'", "for one another", id="field order"),
    pytest.param(
        {COLUMNS: [*body()["output"]["columns"][1::-1], *body()["output"]["columns"][2:]]},
        "output.columns was",
        "takes columns of one type for one another",
        id="column order",
    ),
    pytest.param(
        {COLUMNS: [{"label": "orders.shop"}, *body()["output"]["columns"][1:]]},
        "output column label was orders.label, is now orders.shop",
        "two meanings",
        id="column of another origin",
    ),
    pytest.param(
        {FIELDS: orders(placed="timestamp"), "sources__orders__event_time": "placed"},
        "event_time was 'at', is now 'placed'",
        "timed by the old field",
        id="event time",
    ),
    pytest.param(
        {ALIASES: {"label": ["pieces"]}, FIELDS: orders(("pieces",)), COLUMNS: body()["output"]["columns"][:4]},
        "orders.label (string) takes in pieces, which was int",
        "new type",
        id="alias of another type",
    ),
]


@pytest.mark.parametrize(("changes", "what"), TAKEN)
def test_a_change_that_a_checkpoint_takes(changes: Body, what: list[str]) -> None:
    found = compare(changed(), changed(**changes))
    assert not found.refused
    said = "; ".join(map(str, found.accepted))
    assert all(part in said for part in what), said
    assert bool(what) == bool(found.accepted)


@pytest.mark.parametrize(("changes", "what", "effect"), REFUSED)
def test_a_change_that_a_checkpoint_refuses(changes: Body, what: str, effect: str) -> None:
    found = compare(changed(), changed(**changes))
    assert found.refused
    assert what in found.refused[0].what
    assert effect in found.refused[0].effect


def test_a_join_column_is_widened_where_old_and_new_values_are_equal() -> None:
    def joined_by(kind: str) -> Contract:
        return changed(**{"join__on": {"number": "number"}, FIELDS: orders(number=kind)}, **payments(number=kind))

    assert not compare(joined_by("int"), joined_by("long")).refused
    [refusal, _] = compare(joined_by("float"), joined_by("double")).refused
    assert "orders.number was float, is now double, and is matched by" in str(refusal)


def payments(**fields: str) -> Body:
    return {"sources__payments__fields": {**body()["sources"]["payments"]["fields"], **fields}}


def test_an_earlier_name_stays_as_long_as_the_checkpoint() -> None:
    renamed = {FIELDS: orders(("label",), tag="string"), COLUMNS: [{"label": "orders.tag"}, "payments.payment"]}
    [refusal] = compare(changed(**renamed, **{ALIASES: {"tag": ["label"]}}), changed(**renamed)).refused
    assert "tag is no longer read under its earlier name label" in str(refusal)


def test_a_field_that_comes_back_has_its_old_type(tmp_path: Path) -> None:
    file = tmp_path / "contract.json"
    for contract in (changed(), changed(**{FIELDS: orders(("price",))})):
        fingerprint.accepted(file, contract)
        fingerprint.note(file, contract)
    fingerprint.accepted(file, changed(**{FIELDS: orders(price="decimal(9,2)")}))
    with pytest.raises(UsageError, match=r"orders.price comes back as string, it was decimal\(9,2\)"):
        fingerprint.accepted(file, changed(**{FIELDS: orders(price="string")}))


def test_the_refusal_names_line_record_cause_and_ways_on(tmp_path: Path) -> None:
    path, file = tmp_path / "shop.yaml", tmp_path / "contract.json"
    path.write_text(yaml.safe_dump(body(), sort_keys=False))
    fingerprint.note(file, load(path))
    path.write_text(path.read_text().replace("- 60 minutes", "- 30 minutes"))
    line = path.read_text().splitlines().index("  - 30 minutes") + 1
    with pytest.raises(UsageError) as caught:
        fingerprint.accepted(file, load(path))
    message = str(caught.value)
    assert f"[{path}:{line - 2}; {file}]" in message
    assert "join.within was ['0 minutes', '1 hour'], is now ['0 minutes', '30 minutes']: Spark would" in message
    assert "Next: change it back, or start over: another contract name and new output tables" in message
    with pytest.raises(UsageError, match="rebuild the checkpoint: `plumbline stream recover CONTRACT --force"):
        fingerprint.accepted(file, changed(stream__shuffle_partitions=3))


def test_a_record_that_no_reader_understands(tmp_path: Path) -> None:
    file = tmp_path / "contract.json"
    file.write_text(json.dumps({"contract": "shop"}))
    with pytest.raises(UsageError, match=r"the record of the checkpoint's contract is unreadable: 'sources'"):
        fingerprint.accepted(file, changed())


def test_a_format_is_another_contract_with_or_without_its_registry(tmp_path: Path) -> None:
    file, registry = tmp_path / "contract.json", {"url": "mock://shop"}
    avro = changed(sources__orders__format="avro", schema_registry=registry)
    fingerprint.note(file, avro)
    assert fingerprint.accepted(file, avro) == ()
    with pytest.raises(UsageError, match="format was 'avro', is now 'json': records read before and after"):
        fingerprint.accepted(file, changed())


def test_a_record_of_before_the_state_was_noted(tmp_path: Path) -> None:
    file = tmp_path / "contract.json"
    file.write_text(json.dumps(changed().semantics()))
    assert fingerprint.accepted(file, changed(stream__state="rocksdb")) == ()
