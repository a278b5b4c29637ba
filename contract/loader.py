"""Reading a contract file: YAML with line numbers, `${NAME}` from the environment, errors that name the line.

Also the JSON Schema of such a file, for editors and docs.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from plumbline.contract.aggregate import BLOCK, INSTEAD, NOT_BUILT
from plumbline.contract.consistency import PartError
from plumbline.contract.errors import ContractError, UsageError
from plumbline.contract.kinds import SPELLINGS
from plumbline.contract.model import Contract
from plumbline.contract.reduce import refuse_reduce
from plumbline.contract.secrets import BLOCKS, keep
from plumbline.contract.unfilled import refuse_unfilled
from plumbline.contract.upsert import refuse_upsert
from plumbline.contract.yaml_lines import Places

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TOP_KEY = re.compile(r"[\"']?(\w+)[\"']?\s*:")
_SECRET = tuple((block,) for block in BLOCKS)
_OF_COLUMNS = (("expectations", "between"), ("expectations", "in_set"))
_OWN_TAG = "tag:yaml.org,2002:"
_QUOTED_WORD = re.compile(r"'[^']{2,}'")
Path_ = tuple[str | int, ...]
STEPS = {
    "literal_error": "write one of these",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "float_parsing": "write a number",
    "float_type": "write a number",
    "string_type": "write text; a number or yes and no belong in quotes there",
    "dict_type": "write a mapping, key: value",
    "model_type": "write a mapping, key: value",
    "list_type": "write a list, [a, b]",
    "tuple_type": "write a list, [a, b]",
}
"""What to do about pydantic's own errors of type."""
MOST_CHARACTERS = 500_000
MOST_PARTS = 50_000
"""Far above any contract; below what a few lines of YAML aliases that multiply would make."""
DEPTH_STEP = "`plumbline init` writes a contract to start from"
YAML_STEP = "correct the file there; text with ': ' or ' #' in it belongs in quotes"


def load(
    path: str | Path,
    environment: Mapping[str, str] | None = None,
    *,
    aggregates: bool = False,
    upserts: bool = False,
    reduced: bool = False,
) -> Contract:
    """The contract in the file at `path`. Raises ContractError naming file, line, value and next step.

    A contract with `output.aggregate` is a UsageError for a caller that does not say that it knows `aggregates`: it
    would take numbers for rows. So is one with `output.mode: upsert` for a caller that does not say so of `upserts`: it
    would take the newest row per key for all rows; and one that reduces a source for a caller that does not say so of
    `reduced`: it would take each event for one of the join.
    """
    file = Path(path)
    try:
        with file.open(encoding="utf-8") as stream:
            text = stream.read(MOST_CHARACTERS + 1)
    except OSError as error:
        raise UsageError(
            f"cannot read the contract {str(path)!r}: {error.strerror}",
            next_step="give the path of a contract file; `plumbline init` writes one to start from",
        ) from None
    except UnicodeDecodeError:
        raise ContractError("the contract is not UTF-8 text", where=str(file), next_step="save it as UTF-8") from None
    contract = parse(text, str(file), os.environ if environment is None else environment)
    if contract.output.aggregate is not None and not aggregates:
        raise UsageError(NOT_BUILT, where=contract.place(BLOCK), next_step=INSTEAD)
    if not upserts:
        refuse_upsert(contract)
    if not reduced:
        refuse_reduce(contract)
    return contract


def parse(text: str, name: str = "<contract>", environment: Mapping[str, str] | None = None) -> Contract:
    """The contract that `text` spells; `name` stands for the file in messages."""
    if len(text) > MOST_CHARACTERS:
        what = f"a contract has at most {MOST_CHARACTERS:,} characters; this file has more"
        raise ContractError(what, where=name, next_step="check that it is the right file")
    node, lines = _compose(text, name), dict[Path_, int]()
    refuse_unfilled(node, name)
    try:
        body = _plain(node, (), lines, name, environment or {})
    except RecursionError:
        raise ContractError(
            "the contract is nested too deeply, or a part of it contains itself", where=name, next_step=DEPTH_STEP
        ) from None
    if not isinstance(body, dict):
        raise ContractError("the contract is not a mapping", where=name, next_step="start it with 'contract: NAME'")
    for block in BLOCKS:
        keep({"": body.get(block)} if not isinstance(body.get(block), dict) else body[block])
    try:
        contract = Contract.model_validate(body)
    except ValidationError as error:
        raise _explained(error, name, lines) from None
    contract._places = Places(name, lines)
    return contract


def _compose(text: str, name: str) -> yaml.Node:
    try:
        node = yaml.compose(text.removeprefix("\ufeff"), Loader=yaml.SafeLoader)
    except RecursionError:
        raise ContractError("the contract is nested too deeply", where=name, next_step=DEPTH_STEP) from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = _problem(error, text)
        raise ContractError(f"not readable as YAML: {problem}", where=name + line, next_step=YAML_STEP) from None
    except yaml.YAMLError as error:
        raise ContractError(f"not readable as YAML: {error}", where=name, next_step=YAML_STEP) from None
    if node is None:
        raise ContractError("the contract is empty", where=name, next_step="`plumbline init` writes one to start from")
    return node


def _problem(error: yaml.MarkedYAMLError, text: str) -> str:
    """What YAML refuses, without the word that it refuses (an alias, a tag) where that may belong to a secret."""
    last = error.problem_mark.line if error.problem_mark else 0
    blocks = [found[1] for line in text.splitlines()[: last + 1] if (found := _TOP_KEY.match(line))]
    harmless = bool(blocks) and blocks[-1] in Contract.model_fields and blocks[-1] not in BLOCKS
    return str(error.problem) if harmless else _QUOTED_WORD.sub("'***'", str(error.problem))


def _plain(node: yaml.Node, path: Path_, lines: dict[Path_, int], name: str, environment: Mapping[str, str]) -> Any:
    """`node` as plain values, noting each path's line; `${NAME}` replaced; a key twice is an error."""
    lines.setdefault(path, node.start_mark.line + 1)
    if len(lines) > MOST_PARTS:
        raise ContractError(f"the contract has over {MOST_PARTS:,} parts", where=name, next_step="use fewer aliases")
    if isinstance(node, yaml.MappingNode):
        body: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in body:
                raise ContractError(f"key {key!r} occurs twice", where=f"{name}:{line}", next_step="keep one")
            lines[(*path, key)] = line
            body[key] = _plain(value_node, (*path, key), lines, name, environment)
        return body
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, i), lines, name, environment) for i, item in enumerate(node.value)]
    value = _scalar(node, f"{name}:{node.start_mark.line + 1}", secret=path[:1] in _SECRET)
    if path[:1] in _SECRET and type(value) in (int, float):
        return str(node.value)  # a password of digits is not a number: 0123 would be 83
    if path[:2] in _OF_COLUMNS and type(value) is float:
        _refuse_rounded(str(node.value), value, f"{name}:{lines[path]}")
    if isinstance(value, str):
        return _VARIABLE.sub(lambda m: _variable(m[1], environment, f"{name}:{lines[path]}"), value)
    return value


def _scalar(node: yaml.Node, where: str, *, secret: bool) -> Any:
    """The value of a scalar by YAML's own rules. A date that is none, or a tag of Python's, is a ContractError."""
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError, AttributeError, LookupError):  # the latter two: `!!timestamp x`, `!!bool x`
        step = "put it in quotes if it is meant as text"
        told = "this value" if secret else repr(node.value)
        kind = node.tag if not secret or node.tag.startswith(_OWN_TAG) else "what its tag says"
        raise ContractError(f"{told} is not readable as {kind}", where=where, next_step=step) from None


def _refuse_rounded(written: str, value: float, where: str) -> None:
    """Raise ContractError for a number with more digits than its double: a column of decimals may have them all."""
    try:
        kept = Decimal(written.replace("_", "")) == Decimal(repr(value))
    except InvalidOperation:  # .inf, and YAML's numbers to the base of 60
        return
    if not kept:
        step = "give a number of at most 15 digits, or a whole number"
        raise ContractError(f"{written} would be read as {value!r}", where=where, next_step=step)


def _variable(variable: str, environment: Mapping[str, str], where: str) -> str:
    if variable not in environment:
        raise ContractError(
            f"environment variable {variable} is not set", where=where, next_step=f"export {variable}=…"
        )
    return environment[variable]


def _explained(error: ValidationError, name: str, lines: Mapping[Path_, int]) -> ContractError:
    """The most telling error of pydantic (an unknown key before a missing one) in our words."""
    found = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
    first = _deepest(found, lines)
    cause = first.get("ctx", {}).get("error")
    path = _in_file(first["loc"], lines) + (cause.path if isinstance(cause, PartError) else ())
    spelled = ".".join(str(part) for part in path) or "contract"
    where = _place(name, lines, path)
    if first["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, 1, 0.4)
        step = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return ContractError(f"unknown key {spelled!r}", where=where, next_step=step)
    if first["type"] == "missing":
        return ContractError(f"{spelled!r} is missing", where=where, next_step=f"add the key {path[-1]!r}")
    what, _, step = str(first["msg"]).removeprefix("Value error, ").partition(". Next: ")
    value = first["input"]
    if first["type"] == "string_pattern_mismatch":
        what, step = f"{value!r} is not a name for this place", SPELLINGS[first["ctx"]["pattern"]]
    plain = isinstance(value, str | int | float | bool) and not what.startswith(repr(value))
    shown = f" (found {value!r})" if plain and path[:1] not in _SECRET else ""
    return ContractError(f"{spelled}: {what}{shown}", where=where, next_step=step or STEPS.get(first["type"]))


def _deepest(found: list[ErrorDetails], lines: Mapping[Path_, int]) -> ErrorDetails:
    """The first error, or what is wrong inside the same value: of a union, the alternative that fits it best."""
    place = _in_file(found[0]["loc"], lines)
    inside = [error for error in found if _in_file(error["loc"], lines)[: len(place)] == place]
    return max(inside, key=lambda error: len(_in_file(error["loc"], lines)))


def _in_file(path: Path_, lines: Mapping[Path_, int]) -> Path_:
    """`path` as the file has it: pydantic also names the alternative of a union that it tried."""
    found: Path_ = ()
    for i, part in enumerate(path):
        if (*found, part) in lines or (i == len(path) - 1 and isinstance(part, str) and part.isidentifier()):
            found = (*found, part)
    return found


def _place(name: str, lines: Mapping[Path_, int], path: Path_) -> str:
    """`file:line` of the longest known part of `path`."""
    while path and path not in lines:
        path = path[:-1]
    return f"{name}:{lines[path]}" if path in lines else name


def _known_keys(path: Path_) -> list[str]:
    """Keys of the block at `path`, walking the models the way the file does."""
    here: Any = Contract
    for part in path:
        here = here.model_fields[str(part)].annotation if _is_model(here) else get_args(here)[1]
        if get_origin(here) is not dict:
            here = next((kind for kind in get_args(here) if _is_model(kind)), here)
    return list(here.model_fields) if _is_model(here) else []


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def json_schema() -> dict[str, Any]:
    """Draft 2020-12 schema of a contract as it stands in the YAML file."""
    return Contract.model_json_schema(mode="validation") | {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Plumbline contract",
    }
