"""`plumbline kafka`: the local broker of a home."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from plumbline.commands.kafka_topics import produce, topics
from plumbline.connect.home import Home
from plumbline.options import home_option, json_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from plumbline.connect.broker import BrokerInfo
    from plumbline.document_types import BrokerDocument, NoBrokerDocument, StoppedDocument


@click.group(short_help="The local Kafka broker, and topics with events for a contract.")
def kafka() -> None:
    """Start, stop and look at the local Kafka broker: a real one, on 127.0.0.1 only. Fill a contract's topics.

    \b
    Examples:
      plumbline kafka start
      plumbline kafka status --json
    """


kafka.add_command(topics)
kafka.add_command(produce)


@kafka.command(short_help="Start the broker and keep it running until it is stopped.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port to use. Default: the last one, else a free one.")
@click.option("--with-parent", is_flag=True, help="Also stop when the calling program ends.")
@home_option
@json_option
def start(port: int | None, with_parent: bool, home: Home, as_json: bool) -> None:
    """Start the broker and keep it running until Ctrl-C, SIGTERM or `plumbline kafka stop`.

    If this home's broker already runs, the command prints its address and ends.

    \b
    Examples:
      plumbline kafka start --port 9092
      plumbline kafka start --json --with-parent
    """
    from plumbline.connect import broker

    if broker.status(home) is not None:
        _print(broker.start(home, port=port), as_json, "runs already")
        return
    try:
        _print(broker.start(home, owner=os.getppid() if with_parent else None, port=port, say=say), as_json, "is ready")
        broker.wait(home)
    except KeyboardInterrupt:
        broker.stop(home)
    say("the broker has stopped")


@kafka.command()
@home_option
@json_option
def stop(home: Home, as_json: bool) -> None:
    """Stop the broker of this home and wait until it has stopped.

    \b
    Examples:
      plumbline kafka stop
      plumbline kafka stop --home ~/plumbline
    """
    from plumbline.connect import broker

    stopped = broker.stop(home)
    line = "the broker has stopped" if stopped else f"no broker runs in {home.root}"
    document: StoppedDocument = {"stopped": stopped}
    emit(document, as_json, lambda console: console.print(line))


@kafka.command()
@home_option
@json_option
def status(home: Home, as_json: bool) -> None:
    """Show whether the broker of this home runs, and where.

    \b
    Examples:
      plumbline kafka status
      plumbline kafka status --json
    """
    from plumbline.connect import broker

    there = broker.status(home)
    if there is not None:
        _print(there, as_json, "runs")
    else:
        document: NoBrokerDocument = {"running": False, "home": str(home.root)}
        emit(document, as_json, lambda console: console.print(f"no broker runs in {home.root}"))


def _print(there: BrokerInfo, as_json: bool, state: str) -> None:
    document: BrokerDocument = {
        "bootstrap_servers": there.bootstrap_servers,
        "pid": there.pid,
        "data": str(there.data_dir),
        "running": True,
    }
    line = (
        f"the broker {state}: bootstrap.servers={there.bootstrap_servers} (pid {there.pid}, data in {there.data_dir})"
    )
    emit(document, as_json, lambda console: console.print(line))
