"""Three Kafka brokers on 127.0.0.1 that ask for TLS, SCRAM-SHA-512 and rights, for the tests of `make test-lake`.

Each is broker and controller (KRaft), so that any one of them may die. Without an access list a user may do nothing.
"""

from __future__ import annotations

import datetime
import ipaddress
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from plumbline.connect import broker_files
from plumbline.connect.broker import java_command
from plumbline.connect.home import Home
from plumbline.connect.kafka import admin_client
from plumbline.connect.processes import die_with_parent
from tests.support.ports import free_ports

ADMIN, ADMIN_PASSWORD = "admin", "S3cret-of-the-brokers"
READY_SECONDS = 180.0
NODES = (1, 2, 3)


class Grant(NamedTuple):
    """An entry of the access list, as docs/production.md names it: `prefixed` for all names that begin with `name`."""

    resource: str
    name: str
    operation: str
    prefixed: bool = False


@dataclass
class Brokers:
    """The three of them. `bootstrap` names all listeners."""

    folder: Path
    ports: dict[int, int]
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports.values())

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def properties(self, user: str, password: str) -> dict[str, str]:
        """The contract's kafka block of a user."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": password,
            "ssl.ca.location": str(self.ca),
        }

    @property
    def admin(self) -> Any:
        return admin_client(self.properties(ADMIN, ADMIN_PASSWORD))

    def add_user(self, name: str, password: str) -> None:
        """Add a user who may do nothing yet, and wait until each broker knows it."""
        from confluent_kafka.admin import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

        how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wanted = UserScramCredentialUpsertion(name, how, password.encode())
        for made in self.admin.alter_user_scram_credentials([wanted]).values():
            made.result(READY_SECONDS)

    def create_topics(self, partitions: Mapping[str, int]) -> None:
        """Each with a copy on all three; two of them have to acknowledge."""
        from confluent_kafka.admin import NewTopic

        wanted = [NewTopic(name, count, 3, config={"min.insync.replicas": "2"}) for name, count in partitions.items()]
        for made in self.admin.create_topics(wanted).values():
            made.result(READY_SECONDS)

    def grant(self, user: str, grants: Iterable[Grant]) -> None:
        from confluent_kafka.admin import AclBinding

        for made in self.admin.create_acls([AclBinding(*_binding_parts(user, each)) for each in grants]).values():
            made.result(READY_SECONDS)

    def leader(self, topic: str) -> int:
        """Who takes and gives the events of the topic's first partition."""
        return int(self.admin.list_topics(topic, timeout=READY_SECONDS).topics[topic].partitions[0].leader)

    def kill(self, node: int) -> None:
        self.processes[node].send_signal(signal.SIGKILL)
        self.processes[node].wait(READY_SECONDS)

    def start(self, node: int) -> None:
        """Call it from the main thread: the broker ends with the thread that started it."""
        home = Home.resolve(self.folder / "home")
        with (self.folder / f"{node}.log").open("ab") as log:
            self.processes[node] = subprocess.Popen(
                java_command(home, "kafka.Kafka", f"{node}.properties"),
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
            )  # fmt: skip

    def await_all(self) -> None:
        """Until all three are in the cluster and no partition lacks a copy."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._whole():
            assert time.monotonic() < deadline, [(self.folder / f"{node}.log").read_text()[-2000:] for node in NODES]
            time.sleep(0.2)

    def _whole(self) -> bool:
        from confluent_kafka import KafkaException

        try:
            told = self.admin.list_topics(timeout=5)
        except KafkaException:
            return False
        parts = [part for topic in told.topics.values() for part in topic.partitions.values()]
        return len(told.brokers) == len(NODES) and all(len(part.isrs) == len(part.replicas) for part in parts)


@contextmanager
def brokers(folder: Path) -> Iterator[Brokers]:
    """Three brokers with their data in `folder`; they end with the block."""
    made = Brokers(folder, dict(zip(NODES, free_ports(3), strict=True)))
    controllers = dict(zip(NODES, free_ports(3), strict=True))
    certify(folder)
    cluster = broker_files.new_cluster_id()
    home = Home.resolve(folder / "home")
    for node in NODES:
        text = "".join(f"{k}={v}\n" for k, v in _config(made, controllers, node).items())
        (folder / f"{node}.properties").write_text(text)
    with ThreadPoolExecutor(len(NODES)) as pool:
        list(pool.map(lambda node: _format(home, folder, cluster, node), NODES))
    try:
        for node in NODES:
            made.start(node)
        made.await_all()
        yield made
    finally:
        for process in made.processes.values():
            process.kill()
            process.wait(READY_SECONDS)


def _format(home: Home, folder: Path, cluster: str, node: int) -> None:
    command = java_command(home, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", f"{node}.properties")
    scram = ["--add-scram", f"SCRAM-SHA-512=[name={ADMIN},password={ADMIN_PASSWORD}]"]
    subprocess.run([*command, *scram], cwd=folder, check=True, capture_output=True)


def _config(brokers: Brokers, controllers: Mapping[int, int], node: int) -> dict[str, str]:
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
    pair = f'username="{ADMIN}" password="{ADMIN_PASSWORD}"'
    address = f"127.0.0.1:{brokers.ports[node]}"
    return broker_files.config(brokers.ports[node], controllers[node]) | {
        "node.id": str(node),
        "log.dirs": f"data-{node}",
        "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{port}" for n, port in controllers.items()),
        "listeners": f"CLIENTS://{address},CONTROLLER://127.0.0.1:{controllers[node]}",
        "advertised.listeners": f"CLIENTS://{address}",
        "inter.broker.listener.name": "CLIENTS",
        "listener.security.protocol.map": "CLIENTS:SASL_SSL,CONTROLLER:SASL_SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "listener.name.clients.scram-sha-512.sasl.jaas.config": f"{scram} required {pair};",
        # The users of SCRAM are in the log that the controllers agree on, so they cannot be asked before it is there.
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": (
            f'{plain} required {pair} user_{ADMIN}="{ADMIN_PASSWORD}";'
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": "broker.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "ca.pem",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN}",
        "offsets.topic.replication.factor": "3",
        "transaction.state.log.replication.factor": "3",
        "transaction.state.log.min.isr": "2",
    }


def _binding_parts(user: str, grant: Grant) -> tuple[Any, ...]:
    """The arguments of confluent_kafka's AclBinding."""
    from confluent_kafka.admin import AclOperation, AclPermissionType, ResourcePatternType, ResourceType

    pattern = ResourcePatternType.PREFIXED if grant.prefixed else ResourcePatternType.LITERAL
    operation = AclOperation[grant.operation]
    return (
        ResourceType[grant.resource], grant.name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW,
    )  # fmt: skip


def certify(folder: Path) -> None:
    """A certificate of the brokers in broker.pem, with its key; who signed it in ca.pem; a stranger in other-ca.pem."""
    ca_key, other_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    ca, other = _certificate("ca", ca_key, "ca", ca_key), _certificate("other", other_key, "other", other_key)
    own = _certificate("broker", key, "ca", ca_key)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for name, parts in {"ca": [_pem(ca)], "other-ca": [_pem(other)], "broker": [private, _pem(own)]}.items():
        (folder / f"{name}.pem").write_bytes(b"".join(parts))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, signer: str, signer_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    is_ca = name == signer
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(signer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(signer_key, hashes.SHA256())
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
