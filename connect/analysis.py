"""Whether Spark takes the SQL of a contract, asked of Spark's own parser and analyser: no row is read for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from plumbline.connect.user_code import STATEFUL, operators
from plumbline.contract.errors import ContractError
from plumbline.contract.expressions import Expression, expressions, only
from plumbline.contract.model import Contract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType

Analyse = Callable[[Contract], "DataFrame"]
"""Makes the plan of a contract over sources without rows. Spark analyses a plan as it is made."""

SEVERAL = (*STATEFUL, "Generate")
"""Operators that no expression over one event, or one row, has in its plan."""


def refuse_wrong_sql(spark: SparkSession, contract: Contract, analyse: Analyse) -> None:
    """Raise ContractError, with the line, for an expression that Spark does not take, or not as a value of one row.

    Also for an output column of a type that no table holds.
    """
    found = expressions(contract)
    for one in found:
        _parsed(spark, contract, one)
    # Each analysis is of a whole join: the one without expressions serves all of them.
    bare = cache(lambda: operators(analyse(only(contract, None))))
    if not found or _fits(contract, analyse, bare):
        return
    for one in found:
        _analysed(contract, one, analyse, bare)
    _refuse_as_one(contract, analyse)


def empty(spark: SparkSession, **columns: str) -> DataFrame:
    """A frame without rows: column name to Spark SQL type."""
    return spark.range(0).selectExpr(*(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns.items()))


def typed_as_json(contract: Contract) -> Contract:
    """The contract with all sources read as JSON: the fields have the same types, and no registry is asked."""
    sources = {name: source.model_copy(update={"format": "json"}) for name, source in contract.sources.items()}
    return contract.model_copy(update={"sources": sources})


def _parsed(spark: SparkSession, contract: Contract, one: Expression) -> None:
    """By itself and in brackets: one that closes what it did not open is none, nor is one with a name of its own."""
    from pyspark.errors import PySparkException

    parser = spark._jsparkSession.sessionState().sqlParser()
    try:
        for text in (one.sql, f"({one.sql}\n)"):
            parser.parseExpression(text)
    except PySparkException as error:
        raise _wrong(contract, one, _first_line(error)) from None


def _fits(contract: Contract, analyse: Analyse, bare: Callable[[], str]) -> bool:
    from pyspark.errors import PySparkException

    try:
        without, plan = bare(), analyse(contract)
    except PySparkException:
        return False
    return not _several(without, plan) and not _unstorable(plan)


def _analysed(contract: Contract, one: Expression, analyse: Analyse, bare: Callable[[], str]) -> None:
    """`bare` gives the operators of the contract without its expressions."""
    from pyspark.errors import PySparkException

    try:
        plan = analyse(only(contract, one))
    except PySparkException as error:
        raise _wrong(contract, one, _first_line(error)) from None
    several = _several(bare(), plan)
    if several:
        raise _wrong(contract, one, f"it is not one value of one event: Spark plans {several} for it")
    kind = _unstorable(plan) if one.kind == "columns" else None
    if kind:
        raise _wrong(contract, one, f"it gives {kind}, which no table holds; cast it")


def _refuse_as_one(contract: Contract, analyse: Analyse) -> None:
    """Each expression is right by itself, and together they are not: a type of a computed column, for example."""
    from pyspark.errors import PySparkException

    try:
        analyse(contract)
    except PySparkException as error:
        where = contract.place(("output", "columns"))
        raise ContractError(
            f"the SQL of the contract fails: {_first_line(error)}",
            where=where,
            next_step="correct the expressions that use one another",
        ) from None


def _several(before: str, plan: DataFrame) -> str | None:
    """The first operator that the plan has more often than those of `before`."""
    after = operators(plan)
    return next((name for name in SEVERAL if after.count(name) > before.count(name)), None)


def _unstorable(plan: DataFrame) -> str | None:
    """The type of the first output column that an Iceberg table (format version 2) cannot hold."""
    kinds = (field.dataType for field in plan.schema.fields)
    return next((kind.simpleString() for kind in kinds if not _storable(kind)), None)


def _storable(kind: DataType) -> bool:
    from pyspark.sql import types as T

    if isinstance(kind, T.ArrayType):
        return _storable(kind.elementType)
    if isinstance(kind, T.MapType):
        return _storable(kind.keyType) and _storable(kind.valueType)
    if isinstance(kind, T.StructType):
        return all(_storable(field.dataType) for field in kind.fields)
    plain = (T.StringType, T.BooleanType, T.IntegralType, T.FractionalType, T.BinaryType)
    return isinstance(kind, (*plain, T.DateType, T.TimestampType, T.TimestampNTZType))


def _wrong(contract: Contract, one: Expression, what: str) -> ContractError:
    known = (
        f"columns of {one.path[1]}"
        if one.path[0] == "sources"
        else " and ".join(f"{name}.column" for name in contract.sources)
    )
    shown = re.sub(r'"[^"]{200,}"', lambda _: f'"{one.sql}"', what)
    return ContractError(
        f"{one.name}: {shown}", where=contract.place(one.path), next_step=f"correct it: Spark SQL over {known}"
    )


def _first_line(error: Any) -> str:
    """Spark's own words, without the SQLSTATE."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return first.partition(" SQLSTATE:")[0].rstrip(".;")
