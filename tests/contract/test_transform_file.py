"""The transform's source is found as the import system finds it, and nothing of it is run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from plumbline.contract.errors import ContractError
from plumbline.contract.loader import parse
from plumbline.contract.transform_file import transform_file, transform_sha256
from tests.support.visits import ENVIRONMENT, TEXT

VISITS = parse(TEXT, "visits.yaml", ENVIRONMENT)


def test_a_module_in_a_package_is_found_without_running_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "their_package"
    (package / "below").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('a contract runs no code')")
    (package / "below" / "__init__.py").write_text("raise RuntimeError('a contract runs no code')")
    file = package / "below" / "rules.py"
    file.write_text("raise RuntimeError('a contract runs no code')")
    monkeypatch.syspath_prepend(tmp_path)
    stream = VISITS.stream.model_copy(update={"transform": "their_package.below.rules:doubled"})
    contract = VISITS.model_copy(update={"stream": stream})
    assert transform_file(contract) == file
    assert transform_sha256(contract) == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["their_absent", "their_absent.rules", "hashlib.rules", "collections.their_absent"])
def test_a_module_that_is_not_there(name: str) -> None:
    contract = VISITS.model_copy(update={"stream": VISITS.stream.model_copy(update={"transform": f"{name}:f"})})
    with pytest.raises(ContractError, match=f"there is no module '{name}'"):
        transform_file(contract)
