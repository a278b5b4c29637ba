"""Each wrong contract is refused with the line where it is wrong, the value, and the next step."""

from __future__ import annotations

from pathlib import Path

import pytest
from visits import ENVIRONMENT, TEXT, changed
from wrong_contracts import CASES

from contract.errors import ContractError, UsageError
from contract.loader import load, parse

BOMB = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)
"""Nine lines that YAML's aliases multiply to 43 million parts."""


@pytest.mark.parametrize(("old", "new", "at", "what", "more"), CASES.values(), ids=CASES.keys())
def test_the_error_names_its_line(old: str, new: str, at: str | None, what: str, more: str) -> None:
    text = changed(old, new)
    with pytest.raises(ContractError) as caught:
        parse(text, "visits.yaml", ENVIRONMENT)
    message = str(caught.value)
    assert what in message
    assert more in message
    assert caught.value.exit_code == 2
    assert "\n" not in message
    if at is not None:
        lines = [number for number, line in enumerate(text.splitlines(), 1) if at in line]
        assert caught.value.where == f"visits.yaml:{lines[-1]}"


def test_two_tables_of_one_name_point_at_the_second() -> None:
    with pytest.raises(ContractError) as caught:
        parse(changed("archive: raw.buys", "archive: raw.views"), "visits.yaml", ENVIRONMENT)
    assert caught.value.where == "visits.yaml:19"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        pytest.param("", "the contract is empty", id="nothing"),
        pytest.param("# only a comment\n", "the contract is empty", id="a comment"),
        pytest.param("- a\n- b\n", "the contract is not a mapping", id="a list"),
        pytest.param("just text", "the contract is not a mapping", id="a word"),
        pytest.param("a: &a [*a]\n", "holds itself", id="a part within itself"),
        pytest.param("[" * 5000, "nested too deeply.*Next: ", id="a tower"),
        pytest.param("a: " + "x" * 500_000, "at most 500,000 characters", id="a novel"),
        pytest.param(BOMB, "over 50,000 parts", id="a bomb"),
        pytest.param("contract: \x00x", "not readable as YAML", id="a control"),
        pytest.param("contract: [a\n", "not readable as YAML.*Next: correct the file there", id="a broken list"),
    ],
)
def test_what_is_no_contract_at_all(text: str, what: str) -> None:
    with pytest.raises(ContractError, match=what):
        parse(text, "x.yaml")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(UsageError, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("contract: caf\xe9".encode("latin-1"))
    with pytest.raises(ContractError, match=r"not UTF-8 text.*Next: save it as UTF-8"):
        load(tmp_path / "latin.yaml")


def test_a_file_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "visits.yaml"
    file.write_text(changed("  right: buys", "  right: bys"))
    with pytest.raises(ContractError) as caught:
        load(file, ENVIRONMENT)
    assert caught.value.where == f"{file}:22"


@pytest.mark.parametrize("block", ["kafka", "catalog"])
def test_a_secret_is_never_shown(block: str) -> None:
    text = TEXT.split("kafka:\n")[0] + f"{block}:\n  password: [hunter2, '${{SECRET}}']\n"
    with pytest.raises(ContractError) as caught:
        parse(text, "visits.yaml", {"SECRET": "swordfish"})
    assert f"{block}.password: " in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "swordfish" not in str(caught.value)
