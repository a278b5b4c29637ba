"""What a contract names by file: a reference query of the team's own, and a function over the joined rows.

The query lies at a path relative to the contract's file. The function's module is found on PYTHONPATH or beside it.
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

from plumbline.contract.errors import ContractError, SetupError

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
    file = _folder(contract) / contract.batch.sql
    try:
        return Query(file.read_text(encoding="utf-8").strip().rstrip(";"), file)
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(
            f"the reference query {contract.batch.sql!r} cannot be read: {error}",
            where=contract.place(("batch", "sql")),
            next_step="give its path relative to the contract's file",
        ) from None


def transform_file(contract: Contract) -> Path | None:
    """The source file of the transform's module, that beside the contract's file first; None without a transform.

    Raises ContractError when there is none.
    """
    if contract.stream.transform is None:
        return None
    name = contract.stream.transform.partition(":")[0]
    beside = _folder(contract) / f"{name}.py"
    if beside.is_file():
        return beside.resolve()
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise _no_transform(contract, f"there is no module {name!r}", f"put {name}.py beside the contract's file")
    return Path(spec.origin)


def transform_sha256(contract: Contract) -> str | None:
    """Hex digest of the source of the transform's module; None without a transform."""
    file = transform_file(contract)
    return None if file is None else hashlib.sha256(file.read_bytes()).hexdigest()


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
        raise _no_transform(contract, f"it gives {type(made).__name__}, no DataFrame", "return the changed rows")
    for name in contract.table_columns:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1, 0.6)
            step = f"keep the column {name}" + (f" (it gives {near[0]!r})" if near else "")
            raise _no_transform(contract, f"its rows lack the column {name!r}", step)
    for name in names:
        if name not in contract.table_columns:
            step = f"name it in output.columns, for example as {{{name}: CAST(NULL AS STRING)}}, or drop it"
            raise _no_transform(contract, f"its rows have a further column {name!r}", step)
    before, after = operators(rows), operators(made)
    for operator in STATEFUL:
        if after.count(operator) > before.count(operator):
            step = "use only operations on single rows: select, withColumn, where"
            raise _no_transform(contract, f"it is not stateless: Spark plans {operator} for it", step)
    return made.select(*contract.table_columns)


def _call(contract: Contract, function: Callable[[Any], Any], rows: Any) -> Any:
    try:
        return function(rows)
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise _no_transform(contract, f"it failed: {type(error).__name__}: {first}", "correct it") from None


def _function(contract: Contract) -> Callable[[Any], Any]:
    module, _, name = str(contract.stream.transform).partition(":")
    try:
        function = getattr(_module(module, transform_file(contract)), name, None)
    except Exception as error:
        raise _no_transform(contract, f"its module fails: {type(error).__name__}: {error}", "correct it") from None
    if not callable(function):
        raise _no_transform(contract, f"module {module!r} has no function {name!r}", "write it as module:function")
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


def _no_transform(contract: Contract, what: str, step: str) -> ContractError:
    where = contract.place(("stream", "transform"))
    return ContractError(f"the transform {contract.stream.transform!r}: {what}", where=where, next_step=step)


def _folder(contract: Contract) -> Path:
    return Path(contract._places.file or ".").parent
