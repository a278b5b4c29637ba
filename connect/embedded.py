"""Kafka for a contract: the team's own brokers, or the local broker of the embedded default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plumbline.connect.home import Home


def kafka_properties(
    configured: Mapping[str, str] | None, home: Home, say: Callable[[str], None] = lambda message: None
) -> dict[str, str]:
    """Client properties of the contract's `kafka:` block; without one, those of the local broker in `home`.

    Starts the local broker, bound to this process, when none runs there. Raises SetupError as
    `plumbline.connect.broker`.
    """
    if configured:
        return dict(configured)
    from plumbline.connect import broker, jars

    jars.ensure_jars(home, say)
    return {"bootstrap.servers": broker.start(home, with_parent=True, say=say).bootstrap_servers}
