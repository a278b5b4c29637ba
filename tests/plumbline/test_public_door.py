"""`import plumbline` is the public door: every name documented, nothing loaded before it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import plumbline
from tools.python_page import GROUPS, raised

HEAVY = ("duckdb", "pyarrow", "pydantic", "pyiceberg", "pyspark", "pandas", "click", "yaml")


@pytest.mark.parametrize("name", plumbline.PUBLIC)
def test_each_name_is_a_documented_object(name: str) -> None:
    module, attribute = plumbline.PUBLIC[name]
    found = getattr(plumbline, name)
    assert found is getattr(import_module(module), attribute)
    assert found.__module__ == module, "the door names the module that defines it"
    assert found.__doc__


def test_the_lists_of_names_agree() -> None:
    """The door, its `__all__`, its imports for type checkers, and the page's groups."""
    assert list(plumbline.PUBLIC) == sorted(plumbline.PUBLIC) == plumbline.__all__
    assert sorted(name for names in GROUPS.values() for name in names) == plumbline.__all__
    assert set(plumbline.__all__) <= set(dir(plumbline))


def test_the_import_loads_nothing_heavy() -> None:
    program = f"import sys, plumbline; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_refused_by_name() -> None:
    with pytest.raises(AttributeError, match="module 'plumbline' has no attribute 'dif'"):
        plumbline.dif  # noqa: B018


def test_errors_are_read_from_the_docstring() -> None:
    assert raised("Compare. Raises UsageError and SetupError; UsageError again.") == ["UsageError", "SetupError"]
    assert raised("A UsageError is a value here.") == []


def test_with_closes_a_diff() -> None:
    left, right = pa.table({"id": [1, 2]}), pa.table({"id": [2, 3]})
    with plumbline.diff(left, right, "id") as found:
        spill = Path(found._spill.name)
        assert spill.is_dir()
        assert found.drift().num_rows == 2
    assert not spill.exists()
    assert found.summary["counts"]["missing"] == 1, "the figures stay"
    with pytest.raises(duckdb.ConnectionException):
        found.drift()


def test_with_closes_a_diff_when_its_block_fails() -> None:
    table = pa.table({"id": [1]})
    found = plumbline.diff(table, table, "id")
    with pytest.raises(ZeroDivisionError), found:
        1 / 0  # noqa: B018
    assert not Path(found._spill.name).exists()


def test_a_diff_is_usable_without_with() -> None:
    table = pa.table({"id": [1]})
    found = plumbline.diff(table, table, "id")
    assert found.clean
    assert found.drift().num_rows == 0
    found.close()
