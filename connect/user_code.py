"""A team's own code and SQL, read and run: a reference query, and a function over the joined rows.

The query lies at a path relative to the contract's file. The function's module is found by
`plumbline.contract.transform_file`.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from plumbline.contract.errors import SetupError
from plumbline.contract.transform_file import contract_folder, transform_error, transform_file

if TYPE_CHECKING:
    from plumbline.contract.model import Contract

STATEFUL = ("Aggregate", "Deduplicate", "Join", "Window", "Sort", "MapGroups", "TransformWithState", "GlobalLimit")
"""Operators of Spark's plans that look at more than one row."""


@dataclass(frozen=True)
class Query:
    """A reference query: its SQL, where it stands, and the hash by which batch commits name it."""

    sql: str
    file: Path

    @property
    def sha256(self) -> str:
        """Hex digest of the text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def reference_query(contract: Contract) -> Query | None:
    """The team's own reference query; None when the contract's join is the reference. Raises SetupError."""
    if contract.batch is None:
        return None
    file = contract_folder(contract) / contract.batch.sql
    try:
        return Query(file.read_text(encoding="utf-8").strip().rstrip(";"), file)
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(
            f"the reference query {contract.batch.sql!r} cannot be read: {error}",
            where=contract.place(("batch", "sql")),
            next_step="give its path relative to the contract's file",
        ) from None


def transformed(contract: Contract, rows: Any) -> Any:
    """The joined rows (a Spark DataFrame with the columns of `table_columns`) as the contract's transform gives them.

    Raises ContractError when the function is not there, fails, looks at more than one row at a time, or gives other
    columns than the contract's.
    """
    if contract.stream.transform is None:
        return rows
    made = _call(contract, _function(contract), rows)
    names = getattr(made, "columns", None)
    if names is None:
        raise transform_error(contract, f"it gives {type(made).__name__}, no DataFrame", "return the changed rows")
    for name in contract.table_columns:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1, 0.6)
            step = f"keep the column {name}" + (f" (it gives {near[0]!r})" if near else "")
            raise transform_error(contract, f"its rows lack the column {name!r}", step)
    for name in names:
        if name not in contract.table_columns:
            step = f"name it in output.columns, for example as {{{name}: CAST(NULL AS STRING)}}, or drop it"
            raise transform_error(contract, f"its rows have a further column {name!r}", step)
    before, after = operators(rows), operators(made)
    for operator in STATEFUL:
        if after.count(operator) > before.count(operator):
            step = "use only operations on single rows: select, withColumn, where"
            raise transform_error(contract, f"it is not stateless: Spark plans {operator} for it", step)
    return made.select(*contract.table_columns)


def _call(contract: Contract, function: Callable[[Any], Any], rows: Any) -> Any:
    try:
        return function(rows)
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise transform_error(contract, f"it failed: {type(error).__name__}: {first}", "correct it") from None


def _function(contract: Contract) -> Callable[[Any], Any]:
    module, _, name = str(contract.stream.transform).partition(":")
    try:
        function = getattr(_module(module, transform_file(contract)), name, None)
    except Exception as error:
        raise transform_error(contract, f"its module fails: {type(error).__name__}: {error}", "correct it") from None
    if not callable(function):
        raise transform_error(contract, f"module {module!r} has no function {name!r}", "write it as module:function")
    found: Callable[[Any], Any] = function
    return found


def _module(name: str, file: Path | None) -> ModuleType:
    """The module as its file is now: another contract's, or an earlier text, may have been loaded under its name."""
    if file is None or "." in name:
        return importlib.import_module(name)
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        return importlib.import_module(name)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def operators(rows: Any) -> str:
    """The names of the logical plan's operators."""
    plan = str(rows._jdf.queryExecution().analyzed().toString())
    return "\n".join(line.lstrip(" :+-").partition(" ")[0] for line in plan.splitlines())
