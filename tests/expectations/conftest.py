"""Small Iceberg tables, written by PyIceberg."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.loader import load
from plumbline.contract.model import Contract
from tests.support.shop_rows import CONTRACT, SCHEMA, Fill, Row


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.resolve(tmp_path / "home")


@pytest.fixture
def contract_file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(CONTRACT)
    return path


@pytest.fixture
def contract(contract_file: Path) -> Contract:
    return load(contract_file)


@pytest.fixture
def fill(home: Home) -> Fill:
    """Write rows to the stream's table, or another one."""

    def filled(rows: Sequence[Row], schema: pa.Schema = SCHEMA, table: str = "joined.stream") -> None:
        lake = Lake.open(home)
        lake.ensure_table(table, schema)
        if rows:
            lake.append(table, pa.Table.from_pylist(list(rows), schema=schema))

    return filled
