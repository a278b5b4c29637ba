"""`output.aggregate`: what it says, the types of its values, and what is refused with line and next step."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from plumbline.contract.aggregate import known_types, on_order, value_types
from plumbline.contract.aggregate_calls import Call, parse_value
from plumbline.contract.aggregate_types import result_type
from plumbline.contract.errors import ContractError, UsageError
from plumbline.contract.loader import load, parse
from plumbline.contract.model import Contract
from plumbline.stream_job import fingerprint
from tests.support import shop_contract, visits
from tests.support.aggregates import TEXT

PRICE = "shown: sum(impressions.price)"


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) == 1, f"{old!r} stands {TEXT.count(old)} times in the example"
    return TEXT.replace(old, new)


def with_value(text: str) -> str:
    return changed("      shown: count(*)\n", f"      shown: {text}\n")


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("count(*)", (Call("count", None),)),
        (" COUNT ( * ) ", (Call("count", None),)),
        ("sum(plays.seconds)", (Call("sum", "plays.seconds"),)),
        ("count(*) where plays.done", (Call("count", None, "plays.done"),)),
        ("count(*)where(plays.done)", (Call("count", None, "(plays.done)"),)),
        ("count(a.x) / count(*)", (Call("count", "a.x"), Call("count", None))),
        ("(count(*) where a.x = '/') / count(a.y)", (Call("count", None, "a.x = '/'"), Call("count", "a.y"))),
        ("count(*) / (max(a.y) where a.x)", (Call("count", None), Call("max", "a.y", "a.x"))),
        ("avg(abs(a.x - b.y))", (Call("avg", "abs(a.x - b.y)"),)),
        ("max(concat(a.x, ')'))", (Call("max", "concat(a.x, ')')"),)),
        ("count(*) where a.x like '%sum(%'", (Call("count", None, "a.x like '%sum(%'"),)),
    ],
)
def test_values_are_functions_filters_and_quotients(text: str, calls: tuple[Call, ...]) -> None:
    assert parse_value(text) == calls


@pytest.mark.parametrize(
    "text",
    ["", "plays.id", "count", "count(", "count(*))", "100 * count(*)", "count(*) / 2", "count(*) / count(*) / count(*)",
     "(count(*) / count(*)) / count(*)", "count(*) plays.done", "count(sum(a.x))"],
)  # fmt: skip
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_value(text)


def test_columns_keys_and_types() -> None:
    contract = parse(TEXT)
    aggregate = contract.output.aggregate
    assert aggregate is not None
    assert aggregate.key == ("window_start", "campaign", "country")
    assert aggregate.columns == (*aggregate.key[:1], "window_end", "campaign", "country", *aggregate.values)
    assert value_types(contract, known_types(contract)) == {
        "campaign": "string", "country": "string", "shown": "bigint", "played": "bigint", "take_rate": "double",
        "seconds": "bigint",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("sum(impressions.price)", "decimal(20,2)"), ("avg(impressions.price)", "double"),
        ("max(impressions.price)", "decimal(10,2)"), ("min(plays.at)", "timestamp"), ("max(plays.done)", "boolean"),
        ("sum(plays.watched)", "double"), ("min(plays.watched)", "float"), ("count_distinct(plays.id)", "bigint"),
        ("count(*) / max(plays.seconds)", "double"), ("max(plays.country)", "string"),
    ],
)  # fmt: skip
def test_the_type_of_a_value(text: str, kind: str) -> None:
    contract = parse(with_value(text))
    assert value_types(contract, known_types(contract))["shown"] == kind


def test_only_sums_of_floating_point_numbers_hang_on_the_order() -> None:
    assert result_type(Call("sum", "x"), "float") == "double"
    for text, hangs in {"sum(plays.watched)": True, "avg(impressions.weight)": True, "max(plays.watched)": False,
                        "sum(plays.seconds)": False, "avg(plays.seconds)": False,
                        "count(*) / sum(plays.watched)": True}.items():  # fmt: skip
        contract = parse(with_value(text))
        assert on_order(contract, known_types(contract)) == (["shown"] if hangs else []), text


def test_a_type_that_only_spark_knows_is_left_out() -> None:
    contract = parse(with_value("sum(plays.seconds * 2)"))
    assert "shown" not in value_types(contract, known_types(contract))
    assert value_types(contract, known_types(contract) | {"shown$of0": "bigint"})["shown"] == "bigint"
    with pytest.raises(ContractError, match=r"needs numbers, and this is of type string.* \[<contract>:21\]"):
        value_types(contract, {"shown$of0": "string"})
    filtered = parse(with_value("count(*) where plays.done and 1"))
    with pytest.raises(ContractError, match="of type int, not a boolean"):
        value_types(filtered, {"shown$where0": "int"})


WRONG = {
    "no such source": (with_value("count(play.id)"), "shown:", "did you mean 'plays'?"),
    "no such field": (with_value("count(plays.idd)"), "shown:", "plays has no field 'idd'"),
    "a field without its source": (with_value("count(id)"), "shown:", "write impressions.id or plays.id"),
    "a function that is none": (with_value("median(plays.seconds)"), "shown:", "known: count, sum, min"),
    "an approximate one": (with_value("approx_count_distinct(plays.id)"), "shown:", "known: count, sum"),
    "a sum of all": (with_value("sum(*)"), "shown:", "only count takes *"),
    "a sum of text": (with_value("sum(plays.country)"), "shown:", "sum needs numbers"),
    "a mean of times": (with_value("avg(plays.at)"), "shown:", "avg needs numbers"),
    "a quotient of times": (with_value("max(plays.at) / count(*)"), "shown:", "a quotient needs numbers"),
    "distinct floats": (with_value("count_distinct(plays.watched)"), "shown:", "distinct values of type float"),
    "distinct as SQL has it": (with_value("count(distinct plays.id)"), "shown:", "write count_distinct"),
    "a filter of a quotient without brackets": (
        with_value("count(*) where plays.done / count(*)"), "shown:", "(count(*) where CONDITION) / count(*)"),
    "too many digits": (
        changed("decimal(10,2)", "decimal(29,2)").replace("shown: count(*)", "shown: sum(impressions.price)"),
        "shown:", "at most 28"),
    "a name of the window": (changed("      shown:", "      window_end:"), "window_end:", "choose another name"),
    "a name of a group": (changed("      shown:", "      Country:"), "Country:", "already is a group column"),
    "a lineage column's name": (changed("      shown:", "      _event_time:"), "_event_time", "lineage column"),
    "two groups of one name": (
        changed("impressions.country]", "plays.country]").replace("impressions.campaign", "impressions.country"),
        "group_by", "rename one as"),
    "a group of floats": (changed("impressions.country]", "plays.watched]"), "group_by", "no groups"),
    "a group that is SQL": (changed("impressions.country]", "upper(plays.id)]"), "group_by", "source.field"),
    "a window of nothing": (changed("window: 10 minutes", "window: 0 s"), "window:", "longer than zero"),
    "a window backwards": (changed("window: 10 minutes", "window: -1 h"), "window:", "longer than zero"),
    "no values": (changed("    values:\n", "    values: {}\n    valuess:\n"), "valuess", "did you mean 'values'?"),
    "a key": (changed("  aggregate:\n", "  key: [id]\n  aggregate:\n"), "key: [id]", "window_start and group_by"),
    "columns": (changed("  aggregate:\n", "  columns: [plays.at]\n  aggregate:\n"), "columns:", "its values"),
    "a mode": (changed("  aggregate:\n", "  mode: upsert\n  aggregate:\n"), "aggregate:", "not built for output.mode"),
    "rows without a left event": (changed("kind: left_outer", "kind: full_outer"), "join:", "cannot be aggregated"),
    "a transform": (TEXT + "stream: {transform: 'a:b'}\n", "stream:", "not built for output.aggregate"),
    "a query of one's own": (TEXT + "batch: {sql: q.sql}\n", "batch:", "not built for output.aggregate"),
    "a job of one's own": (TEXT + "job: {kind: spark}\n", "job:", "not built for output.aggregate"),
    "expectations": (TEXT + "expectations: {min_rows: 1}\n", "expectations:", "not built for output.aggregate"),
    "a tolerance of no value": (
        TEXT + "reconcile: {tolerances: {show: ignore}}\n", "reconcile:", "did you mean 'shown'?"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "at", "what"), WRONG.values(), ids=WRONG.keys())
def test_the_error_names_its_line(text: str, at: str, what: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse(text, "takes.yaml")
    message = str(caught.value)
    assert what in message
    assert "\n" not in message
    lines = [number for number, line in enumerate(text.splitlines(), 1) if at in line]
    assert caught.value.where == f"takes.yaml:{lines[-1]}"


def test_an_output_has_rows_or_an_aggregate() -> None:
    rest = changed("output:\n  aggregate:\n", "zzz:\n  aggregate:\n").partition("zzz:")[0]
    with pytest.raises(ContractError, match=r"'output.key' is missing \[x.yaml:16\]. Next: add the key 'key'"):
        parse(f"{rest}output: {{stream_table: a.b, batch_table: a.c}}", "x.yaml")


def shipped(package: str, name: str) -> Contract:
    return parse((files(package) / name).read_text())


def test_contracts_of_before_keep_their_fingerprints() -> None:
    """Checkpoints, commits and verdicts are known by them."""
    assert parse(visits.TEXT, environment=visits.ENVIRONMENT).fingerprint() == "6a40528148ad11c6"
    assert parse(shop_contract.TEXT).fingerprint() == "0ae73628e6afb65f"
    assert shipped("plumbline.demo.flights", "flights.yaml").fingerprint() == "db8469c34453a945"
    assert shipped("plumbline.commands", "starter.yaml").fingerprint() == "a7719f5ba41c508c"
    assert "aggregate" not in parse(shop_contract.TEXT).model_dump(mode="json")["output"]


def test_window_groups_and_values_are_in_the_fingerprint() -> None:
    texts = [
        TEXT,
        changed("window: 10 m", "window: 5 m"),
        changed(", impressions.country", ""),
        with_value("count(plays.at)"),
    ]
    assert len({parse(text).fingerprint() for text in texts}) == len(texts)
    again = Contract.model_validate(parse(TEXT).model_dump(mode="json"))
    assert again.fingerprint() == parse(TEXT).fingerprint(), "as records of it are read"


def test_nobody_takes_an_aggregate_for_rows(tmp_path: Path) -> None:
    file = tmp_path / "takes.yaml"
    file.write_text(TEXT)
    with pytest.raises(UsageError, match="this command works on rows"):
        load(file)
    contract = load(file, aggregates=True)
    with pytest.raises(UsageError, match="this command works on rows"):
        contract.output_columns  # noqa: B018
    assert [column.name for column in contract.rows.output_columns][:2] == ["campaign", "country"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (changed("window: 10 minutes", "window: 5 minutes"), "output.aggregate was"),
        (changed(", impressions.country", ""), "output.aggregate was"),
        (with_value("count(plays.at)"), "output.aggregate was"),
        (TEXT + "stream: {state: rocksdb}\n", "stream.state was"),
        (changed("decimal(10,2)", "decimal(12,2)").replace("shown: count(*)", PRICE), "the aggregate is made from it"),
    ],
)
def test_a_checkpoint_takes_no_other_aggregate(tmp_path: Path, text: str, what: str) -> None:
    """Its windows hold the old values of the old groups."""
    file = tmp_path / "contract.json"
    was = TEXT.replace("shown: count(*)", PRICE) if PRICE in text else TEXT
    fingerprint.note(file, parse(was))
    assert fingerprint.accepted(file, parse(was)) == ()
    with pytest.raises(UsageError, match=what):
        fingerprint.accepted(file, parse(text))


def test_rows_and_an_aggregate_are_two_jobs(tmp_path: Path) -> None:
    rows = TEXT.partition("  aggregate:")[0] + (
        "  key: [id]\n  columns: [plays.seconds]\n  stream_table: agg.take_stream\n  batch_table: agg.take_batch\n"
    )
    for number, (was, now) in enumerate([(TEXT, rows), (rows, TEXT)]):
        file = tmp_path / f"{number}.json"
        fingerprint.note(file, parse(was))
        with pytest.raises(UsageError, match="the checkpoint was made by another contract: output"):
            fingerprint.accepted(file, parse(now))


def test_what_is_read_may_grow_below_an_aggregate(tmp_path: Path) -> None:
    file = tmp_path / "contract.json"
    fingerprint.note(file, parse(TEXT))
    grown = parse(changed("watched: float,", "watched: double, more: string,"))
    assert fingerprint.accepted(file, grown)
