"""One replay with all that its steps work on: what each step is handed, and hands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from plumbline.contract.model import Contract
from plumbline.replay.plan import Plan
from plumbline.replay.store import ReplayFolder

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.replay.document_types import AuditDocument, RunDocument

Say = Callable[[str], None]


def silent(message: str) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Replay:
    """A plan, the contract it was made under, the home it was made in, its folder, and how progress is reported."""

    contract: Contract
    home: Home
    plan: Plan
    folder: ReplayFolder
    say: Say = field(default_factory=lambda: silent)

    @classmethod
    def of(
        cls, contract: Contract, home: Home, plan: Plan, folder: ReplayFolder | None = None, say: Say = silent
    ) -> Replay:
        """The replay of a plan; its folder is the plan's own below the home unless another one is given."""
        return cls(contract, home, plan, folder or ReplayFolder.of(home, plan.replay_id), say)

    @cached_property
    def lake(self) -> Lake:
        """The lake of the contract's catalog. Raises as `Lake.open`."""
        from plumbline.connect.lake import Lake

        return Lake.open(self.home, self.contract.catalog)

    @property
    def ran(self) -> RunDocument | None:
        """The document that its run ended with; None before."""
        document: RunDocument | None = self.folder.read("run")
        return document

    @property
    def audited(self) -> AuditDocument | None:
        """The document of its newest audit; None before."""
        document: AuditDocument | None = self.folder.read("audit")
        return document

    @property
    def id(self) -> str:
        """The id of the replay."""
        return self.plan.replay_id


def equipped(replay: Replay) -> Replay:
    """The same, its contract with the schemas that the job keeps; Avro and Protobuf are decoded by them."""
    from plumbline.connect.registry import equipped, kept_by

    made = replace(replay, contract=equipped(replay.contract, kept_by(replay.contract, replay.home)))
    vars(made)["lake"] = replay.lake  # as it is: opened once
    return made
