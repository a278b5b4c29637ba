"""The contract's TLS properties, in librdkafka's names for PEM files, as properties of the JVM's Kafka clients."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from plumbline.contract.errors import SetupError

CA, CERTIFICATE, KEY, KEY_PASSWORD = (
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
)
HOST_CHECK = "ssl.endpoint.identification.algorithm"


def jvm_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """What the properties mean in the JVM's words: each PEM file by its text, which executors elsewhere have too.

    A store of the JVM's own that the properties name goes first. Raises SetupError for a file that cannot be read.
    """
    found: dict[str, str] = {}
    if CA in properties and not _has_store(properties, "truststore"):
        found |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": _text(properties, CA)}
    if CERTIFICATE in properties and KEY in properties and not _has_store(properties, "keystore"):
        found |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": _text(properties, CERTIFICATE),
            "ssl.keystore.key": _text(properties, KEY),
        }
    if KEY_PASSWORD in properties:
        found[KEY_PASSWORD] = str(properties[KEY_PASSWORD])
    if properties.get(HOST_CHECK) == "none":
        found[HOST_CHECK] = ""
    return found


def _has_store(properties: Mapping[str, str], kind: str) -> bool:
    return any(name.startswith(f"ssl.{kind}.") for name in properties)


def _text(properties: Mapping[str, str], name: str) -> str:
    path = Path(properties[name])
    try:
        files = sorted(filter(Path.is_file, path.iterdir())) if path.is_dir() else [path]
        return "\n".join(file.read_text(encoding="latin-1") for file in files)
    except OSError as error:
        raise SetupError(
            f"the file of {name} cannot be read: {error.strerror}", where="kafka", next_step="correct that path"
        ) from None
