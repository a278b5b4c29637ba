"""Properties of a catalog or a Kafka client as options give them: NAME=VALUE, with `${NAME}` of the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from plumbline.contract.errors import UsageError

if TYPE_CHECKING:
    import click

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def typed_properties(_ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Click's callback for a repeatable option: the properties as they were typed."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.strip() and value.strip()):
            raise UsageError(
                f"{option.opts[0]} takes NAME=VALUE, not {name!r} alone", next_step=f"write {option.opts[0]} NAME=VALUE"
            )
        found[name.strip()] = value.strip()
    return found


def resolved_properties(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """The same with each `${NAME}` replaced."""
    return resolved(typed_properties(ctx, option, texts))


def resolved(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties with each `${NAME}` replaced. Raises UsageError for a variable that is not set."""
    return {name: _VARIABLE.sub(_variable, value) for name, value in properties.items()}


def _variable(match: re.Match[str]) -> str:
    if match[1] not in os.environ:
        raise UsageError(f"environment variable {match[1]} is not set", next_step=f"export {match[1]}=…")
    return os.environ[match[1]]


def refuse_secrets(option: str, properties: Mapping[str, str]) -> None:
    """Raise UsageError for a property that may be secret and was typed: a file is to take it from the environment."""
    from plumbline.contract.secrets import MASK, keep, open_properties

    for name, value in open_properties(properties).items():
        if _VARIABLE.sub(MASK, value) != _VARIABLE.sub(MASK, properties[name]):
            keep(properties)
            raise UsageError(
                f"{option} {name} may hold a secret, which would stand in the draft",
                next_step=f"put it into the environment and write {option} '{name}=${{NAME}}'",
            )
