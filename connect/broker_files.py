"""The files of the local broker: its folder and cluster id, its configuration, the record of its process."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from plumbline.connect.processes import alive
from plumbline.contract.errors import SetupError

MARKER = "plumbline-broker.json"
DATA = "data"


@dataclass(frozen=True)
class Running:
    """The broker process as its supervisor recorded it. `born` tells it from a later process with the same pid."""

    pid: int
    born: str
    port: int


def claim(folder: Path) -> str:
    """The cluster id of the broker folder, made on first use.

    Raises SetupError when the folder holds files but was not made by us, or when the data inside belongs to another
    cluster: such data is never formatted or served.
    """
    marker = folder / MARKER
    if not marker.exists():
        if folder.exists() and any(folder.iterdir()):
            raise _foreign(folder, "it holds files that Plumbline did not put there")
        folder.mkdir(parents=True, exist_ok=True)
        marker.write_text(json.dumps({"cluster_id": new_cluster_id()}))
    try:
        ours = str(json.loads(marker.read_text())["cluster_id"])
    except (ValueError, KeyError, TypeError):
        raise _foreign(folder, f"{MARKER} in it is unreadable") from None
    found = stored_cluster_id(folder)
    if found not in (None, ours):
        raise _foreign(folder, f"its data belongs to cluster {found}, ours is {ours}")
    return ours


def _foreign(folder: Path, why: str) -> SetupError:
    return SetupError(
        f"the broker folder is not ours: {why}",
        where=str(folder),
        next_step="choose another --home, or move that folder away",
    )


def new_cluster_id() -> str:
    """A random id in Kafka's form (22 characters of URL-safe base64); no leading '-', an option to the tools."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


def stored_cluster_id(folder: Path) -> str | None:
    """The cluster id in the formatted data, None when it was never formatted to the end."""
    try:
        lines = (folder / "data" / "meta.properties").read_text().splitlines()
    except OSError:
        return None
    return dict(line.split("=", 1) for line in lines if "=" in line).get("cluster.id")


def write_config(folder: Path, port: int, controller_port: int) -> Path:
    """Write server.properties for one node that is broker and controller, on 127.0.0.1 only; its path."""
    path = folder / "server.properties"
    path.write_text("".join(f"{k}={v}\n" for k, v in config(port, controller_port).items()))
    return path


def config(port: int, controller_port: int) -> dict[str, str]:
    """The broker's settings (Kafka 4.4 broker configuration reference). What a default broker refuses is
    refused here too: a record that is stamped more than an hour ahead. Old ones are kept for ever.

    The data folder is named from the broker's own, which it runs in: a comma in the path would make two of it, and a
    Java properties file takes neither a backslash nor a letter beyond Latin-1 as it stands.
    """
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": DATA,
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "log.retention.ms": "-1",
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "num.network.threads": "2",
        "num.io.threads": "4",
    }


def running(folder: Path) -> Running | None:
    """The recorded broker process if it still lives."""
    try:
        recorded = Running(**json.loads((folder / "running.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return recorded if alive(recorded.pid, recorded.born) else None


def record(folder: Path, process: Running) -> None:
    """Write running.json in one step."""
    draft = folder / "running.json.new"
    draft.write_text(json.dumps(asdict(process)))
    draft.replace(folder / "running.json")


def lock(folder: Path) -> Path:
    """The lock that orders starting, joining and ending; beside the folder, which may not be ours."""
    return folder.parent / "broker.lock"


def add_owner(folder: Path, pid: int, born: str) -> None:
    """The broker stays up while this process lives; pid 0: until it is stopped."""
    owners = folder / "owners"
    owners.mkdir(exist_ok=True)
    (owners / f"{pid}-{born}").touch()


def clear_owners(folder: Path) -> None:
    """Forget all owners."""
    for owner in (folder / "owners").glob("*-*"):
        owner.unlink(missing_ok=True)


def is_owned(folder: Path) -> bool:
    """Whether any owner lives."""
    named = (path.name.split("-", 1) for path in (folder / "owners").glob("*-*"))
    return any(pid == "0" or alive(int(pid), born) for pid, born in named)


def forget(folder: Path, pid: int) -> None:
    """Remove running.json, unless it records another, later process."""
    path = folder / "running.json"
    try:
        if json.loads(path.read_text())["pid"] == pid:
            path.unlink(missing_ok=True)
    except (OSError, ValueError, KeyError):
        return


def last_port(folder: Path) -> int | None:
    """The port of the last start, so that a restart keeps the address when it is still free."""
    try:
        return int((folder / "port").read_text())
    except (OSError, ValueError):
        return None


def telling_line(log: str) -> str:
    """The last line of a broker log that names an error, else its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip() and not line.startswith((" ", "\t"))]
    named = [line for line in lines if any(sign in line for sign in ("ERROR", "FATAL", "Exception", "Error:"))]
    return (named or lines or ["the log is empty"])[-1]
