"""The one exception tree of Plumbline. Each message says what, which value, where, and the next step."""

from __future__ import annotations

from plumbline.contract.secrets import hidden


class PlumblineError(Exception):
    """A foreseen failure: one line for the user, no traceback.

    `what` names the problem and the offending value, `where` the file, line, table or topic, `next_step`
    what to do about it. `exit_code` is what the command line ends with (2 usage, 3 environment or incomplete).
    A text of somebody else in it (a server's answer, a driver's error) shows no secret of a connection block.
    """

    exit_code = 3

    def __init__(self, what: str, *, where: str | None = None, next_step: str | None = None) -> None:
        super().__init__(hidden(what))
        self.what = hidden(what)
        self.where = where and hidden(where)
        self.next_step = next_step and hidden(next_step)

    def __str__(self) -> str:
        place = f" [{self.where}]" if self.where else ""
        step = f" Next: {self.next_step}" if self.next_step else ""
        return f"{self.what}{place}.{step}" if not self.what.endswith(".") else f"{self.what}{place}{step}"


class UsageError(PlumblineError):
    """What the user typed or wrote cannot be used as it is."""

    exit_code = 2


class ContractError(UsageError):
    """The contract file is wrong: unknown key, wrong type, contradicting lines."""


class SetupError(PlumblineError):
    """The machine or a service lacks something: Java, jars, broker, topic, table, catalog."""


class UnreachableError(SetupError):
    """A service does not answer now, or is locked by another: the same may work later."""


class IncompleteError(PlumblineError):
    """The work cannot be finished truthfully yet: unsettled windows, gaps in the input, books that do not balance."""
