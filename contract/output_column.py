"""A column of the join's output, with its origin."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class OutputColumn(BaseModel):
    """One resolved column of the output: a source's field, or SQL over `source.field` names.

    A column may have both: a join column that is part of the output's key is taken from the side that has it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str | None = None
    field: str | None = None
    sql: str | None = None

    @property
    def expression(self) -> str:
        """The column as Spark SQL over the two source names."""
        return self.sql if self.sql is not None else f"{self.source}.`{self.field}`"
