"""SQL of a contract that Spark does not take, or not as a value of one row: refused with its line, by both jobs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from plumbline.batch_reference import run as batch
from plumbline.cli import run
from plumbline.contract.errors import ContractError
from plumbline.contract.loader import parse
from plumbline.stream_job import join
from tests.support.scenario import Scenario, contract_body

pytestmark = pytest.mark.spark

WHERE, COMPUTE, COLUMN = ("sources", "orders", "where"), ("sources", "orders", "compute", "n"), ("output", "columns")

WRONG = {
    "a field that is not there": (WHERE, "amout > 1", "`amout` cannot be resolved.*`amount`"),
    "half a condition": (WHERE, "amount >", "Syntax error at or near end of input"),
    "a bracket that closes the jobs' own": (WHERE, "true) OR (true", "Syntax error at or near '\\)'"),
    "a second statement": (WHERE, "true; DROP TABLE x", "Syntax error at or near ';'"),
    "no text": (WHERE, " ", "empty statement"),
    "a number as condition": (WHERE, "amount + 1", 'Cannot resolve "amount \\+ 1" due to data type mismatch'),
    "a condition over many events": (WHERE, "count(*) > 1", "invalid expressions: count"),
    "a table that is not there": (WHERE, "id IN (SELECT id FROM nowhere)", "`nowhere` cannot be found"),
    "no such function": (COMPUTE, "uper(label)", "Cannot resolve routine `uper`"),
    "one argument too many": (COMPUTE, "round(amount, 1, 2)", "requires .* parameters"),
    "a name of its own": (COMPUTE, "amount AS m", "Syntax error at or near"),
    "an aggregate": (COMPUTE, "sum(amount)", "GROUP BY"),
    "a window": (COMPUTE, "row_number() OVER (ORDER BY amount)", "not one value of one event: Spark plans Window"),
    "several rows of one event": (COMPUTE, "explode(split(label, '/'))", "not one value of one event.*Generate"),
    "a field of the other side": (COMPUTE, "payments.paid", "cannot be resolved"),
    "a column of a source that is not there": (COLUMN, "payments.pad * 2", "`pad`"),
    "a source that is not there": (COLUMN, "deliveries.paid * 2", "cannot be resolved"),
    "an interval": (COLUMN, "payments.paid_at - orders.at", "it gives interval day to second, which no table holds"),
    "a variant": (COLUMN, "parse_json(orders.label)", "it gives variant, which no table holds"),
    "nothing at all": (COLUMN, "NULL", "it gives void, which no table holds"),
    "a parameter": (COLUMN, ":x", "unbound parameter"),
}

RIGHT = {
    "a comment": (WHERE, "amount > 1 -- but not too small"),
    "a comment in a computed column": (COMPUTE, "amount * 2 /* twice */ -- so"),
    "several lines": (COMPUTE, "CASE WHEN amount > 1\n  THEN 'much'\n  ELSE 'little'\nEND"),
    "what cannot be computed": (COMPUTE, "1 / 0 + CAST(label AS INT)"),
    "a list": (COLUMN, "array(payments.paid, orders.amount)"),
    "a computed column": (COLUMN, "upper(orders.n) -- of the left"),
}


def text(path: tuple[str, ...], sql: str, **more: object) -> str:
    """The shop's contract with this expression in it."""
    body = contract_body("shop", {"bootstrap.servers": "127.0.0.1:1"}) | more
    body["sources"]["orders"]["compute"] = {"n": "label", "other": "upper(label)"}
    if path == COLUMN:
        body["output"]["columns"].append({"made": sql})
    elif path == WHERE:
        body["sources"]["orders"]["where"] = sql
    else:
        body["sources"]["orders"]["compute"]["n"] = sql
    return yaml.safe_dump(body, sort_keys=False)


@pytest.mark.parametrize(("path", "sql", "said"), WRONG.values(), ids=WRONG)
def test_wrong_sql_is_refused_with_its_line(spark: SparkSession, path: tuple[str, ...], sql: str, said: str) -> None:
    contract = parse(text(path, sql), "shop.yaml")
    name = "output.columns" if path == COLUMN else ".".join(path)
    for job in (join, batch):
        with pytest.raises(ContractError, match=re.compile(said)) as error:
            job.refuse_wrong_sql(spark, contract)
        assert error.value.what.startswith(name)
        line = int(str(error.value.where).removeprefix("shop.yaml:"))
        named = "made" if path == COLUMN else path[-1]
        assert text(path, sql).splitlines()[line - 1].strip(" -").startswith(f"{named}:")
        assert "_text" not in error.value.what.partition("Did you mean")[0], "of the user's SQL only"


@pytest.mark.parametrize(("path", "sql"), RIGHT.values(), ids=RIGHT)
def test_right_sql_is_taken(spark: SparkSession, path: tuple[str, ...], sql: str) -> None:
    contract = parse(text(path, sql))
    for job in (join, batch):
        job.refuse_wrong_sql(spark, contract)


def test_a_computed_join_column_has_the_type_of_the_other_side(spark: SparkSession) -> None:
    body = yaml.safe_load(text(COMPUTE, "CAST(amount AS BIGINT)"))
    body["join"]["on"] = ["shop", {"n": "id"}]
    with pytest.raises(ContractError, match=r"orders.n is bigint, payments.id string: .*matches nothing"):
        join.refuse_wrong_sql(spark, parse(yaml.safe_dump(body)))
    body["join"]["on"] = ["shop", {"other": "id"}]
    join.refuse_wrong_sql(spark, parse(yaml.safe_dump(body)))


def test_check_asks_spark_and_leaves_nothing_behind(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, home = tmp_path / "shop.yaml", tmp_path / "home"
    file.write_text(text(WHERE, "amout > 1"))
    assert run(["check", str(file), "--home", str(home)]) == 2
    assert re.search(r"sources\.orders\.where: .*`amout` cannot be resolved.*shop\.yaml:\d+", capsys.readouterr().err)
    file.write_text(text(WHERE, "amount > 1"))
    assert run(["check", str(file), "--home", str(home)]) == 0
    assert "SQL: Spark takes all of it (3 expressions)" in capsys.readouterr().out
    (tmp_path / "own.sql").write_text("SELECT o.idd FROM orders o")
    file.write_text(text(WHERE, "true", batch={"sql": "own.sql"}))
    assert run(["check", str(file), "--home", str(home)]) == 2
    assert re.search(r"reference query fails: .*`o`\.`idd`.*own\.sql", capsys.readouterr().err)
    made = tmp_path / "made"
    (tmp_path / "own.sql").write_text(f"CREATE TABLE gone USING parquet LOCATION '{made}' AS SELECT 1 AS x")
    assert run(["check", str(file), "--home", str(home)]) == 2
    assert re.search(r"reference query fails: .*[Ss]yntax error.*own\.sql", capsys.readouterr().err)
    assert not made.exists()
    file.write_text(text(WHERE, "amount > 1"))
    monkeypatch.setenv("PLUMBLINE_JARS", str(tmp_path / "no-jars"))
    assert run(["check", str(file), "--home", str(home)]) == 0
    assert "SQL: not checked, " in capsys.readouterr().out
    assert not home.exists()


@pytest.mark.kafka
def test_a_job_does_not_start_with_wrong_sql(new_scenario: Callable[..., Scenario]) -> None:
    job = new_scenario(output={"columns": ["payments.payment", {"made": "orders.amout * 2"}]})
    with pytest.raises(ContractError, match=r"output\.columns\.1\.made: .*`amout`.*yaml:\d+"):
        job.epoch()
    assert not job.lake.exists(job.contract.output.stream_table)
