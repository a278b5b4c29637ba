"""Places of a drafted contract that nobody has filled in yet. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from plumbline.contract.errors import ContractError

FILL_IN = "FILL_IN"
"""Stands in a draft for what only the team knows; no contract with it is read."""


def refuse_unfilled(root: yaml.Node, name: str) -> None:
    """Raise ContractError naming every line of the contract `name` on which `FILL_IN` stands as a key or a value."""
    lines = sorted({node.start_mark.line + 1 for node in _scalars(root) if node.value == FILL_IN})
    if lines:
        told = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(map(str, lines[:-1]))} and {lines[-1]}"
        raise ContractError(
            f"the draft is not filled in yet: {FILL_IN} stands on {told}",
            where=f"{name}:{lines[0]}",
            next_step=f"replace each {FILL_IN}; the comment beside it says by what",
        )


def _scalars(root: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """All keys and values below a node, each once, however many aliases lead to it."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            yield node
        elif isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
