"""What of a connection block may be shown. All of it is secret but what stands here by name.

`open_properties` is for those who show a block, `hidden` for texts of others (a server's answer, a driver's error) that
may hold a value of one: every PlumblineError and every traceback goes through it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

BLOCKS = ("kafka", "catalog", "schema_registry")
"""The contract's connection blocks."""

MASK = "***"
OPEN = frozenset(
    (
        *("bootstrap.servers", "client.id", "security.protocol", "sasl.mechanism", "sasl.mechanisms"),
        *("ssl.endpoint.identification.algorithm", "isolation.level", "timeout"),
        *("ssl.ca.location", "ssl.certificate.location", "ssl.key.location"),
        *("ssl.truststore.location", "ssl.truststore.type", "ssl.keystore.location", "ssl.keystore.type"),
        *("type", "cache-enabled", "jdbc.schema-version", "io-impl", "py-io-impl", "catalog-impl"),
        *("s3.region", "client.region", "glue.region", "s3.path-style-access", "rest.sigv4-enabled"),
        *("rest.signing-region", "rest.signing-name", "rest.auth.type"),
    )
)
"""Properties that hold no secret, whatever their value."""

PLACES = frozenset(("uri", "url", "warehouse", "s3.endpoint", "glue.endpoint", "oauth2-server-uri"))
"""Properties that are addresses: shown without password and query, see `place`."""

_OPEN_PARAMETERS = frozenset(("timeout", "busy_timeout", "sslmode", "charset"))
_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.:-]*?:)(?P<root>//)(?P<user>[^?#;]*@)?(?P<rest>[^?#;]*)(?P<tail>.*)", re.S
)
_LOGIN = re.compile(r"[^/:]*:(?!\d+(/|$))")
"""A name, a colon and no port: the begin of a password that has a `?`, `#` or `;` in it."""

_CONTAINERS = ("abfs:", "abfss:", "wasb:", "wasbs:")
_ASSIGNED = re.compile(r"=\s*(\"[^\"]*\"|'[^']*'|[^;,&\s]+)")
_CODE = re.compile(rb"%([0-9A-Fa-f]{2})")
_SHORTEST, _CLEAR = 4, 8
_PLAIN_WORDS = frozenset(("true", "false", "none", "null", "required", "optional", "require", "prefer", "plumbline"))
"""No secrets; the last is how a user may be called, and how every command that a next step names begins."""


def open_properties(properties: Mapping[str, str], prefix: str = "") -> dict[str, str]:
    """The properties as they may be shown: `***` for what is not known to be harmless. Names may carry a prefix."""
    return {key: _shown(key.removeprefix(prefix), str(value), key == prefix[:-1]) for key, value in properties.items()}


def _shown(name: str, value: str, the_catalog_itself: bool) -> str:
    if name in OPEN or the_catalog_itself:
        return value
    return place(value) if name in PLACES else MASK


def place(address: str) -> str:
    """An address without what may be secret in it: a password or lone user, the query's values, a fragment."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        bare, tail = re.fullmatch(r"([^?#;]*)(.*)", address, re.S).groups()  # type: ignore[union-attr]
        return MASK if "@" in bare else bare + _tail(tail)
    user = found["user"] or ""
    if not user and "@" in found["tail"] and _LOGIN.match(found["rest"]):
        return found["scheme"] + found["root"] + MASK
    if user and found["scheme"].lower() not in _CONTAINERS:
        name, colon, _ = user.partition(":")
        user = f"{name}:{MASK}@" if colon else f"{MASK}@"
    return found["scheme"] + found["root"] + user + found["rest"] + _tail(found["tail"])


def _tail(tail: str) -> str:
    if not tail:
        return ""
    if tail[0] != "?":
        return tail[0] + MASK
    query, mark, _ = tail[1:].partition("#")
    return "?" + "&".join(_parameter(part) for part in query.split("&")) + (mark + MASK if mark else "")


def _parameter(text: str) -> str:
    name, equals, _ = text.partition("=")
    return text if name in _OPEN_PARAMETERS and equals else f"{name}={MASK}" if equals else MASK


class _Kept:
    """The secrets that this process has read, as one pattern of all their spellings."""

    def __init__(self) -> None:
        self.values: set[str] = set()
        self.pattern: re.Pattern[str] | None = None

    def add(self, values: Iterable[str]) -> None:
        new = {spelled for value in values for spelled in _spellings(value)} - self.values
        if new:
            self.values |= new
            self.pattern = re.compile("|".join(map(_found_as, sorted(self.values, key=len, reverse=True))))


_kept = _Kept()


def keep(properties: Mapping[str, object]) -> None:
    """From now on `hidden` hides what these properties of a connection block hold."""
    _kept.add(secret for name, value in properties.items() for secret in _secrets(name, value))


def keep_address(url: str) -> None:
    """From now on `hidden` hides an address whose path is a secret too, such as a webhook's."""
    after = url.partition("://")[2].partition("/")[2]
    telling = [part for part in after.split("/") if not (part.isalpha() and part.islower())]
    _kept.add((url, after, *telling, *_of_address(url)))


def hidden(text: str) -> str:
    """The text with each secret that this process has read replaced by `***`."""
    return text if _kept.pattern is None else _kept.pattern.sub(MASK, text)


def _secrets(name: str, value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner, part in value.items():
            yield from _secrets(str(inner), part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _secrets("", part)
    elif value is not None and name not in OPEN:
        text = str(value)
        yield from _of_address(text) if name in PLACES else _of_text(text)


def _of_text(text: str) -> Iterator[str]:
    yield text
    yield from text.splitlines()
    for found in _ASSIGNED.findall(text):
        yield found.strip("\"'")
    user, colon, password = text.partition(":")
    if colon and "\n" not in text and "=" not in user:
        yield password
    yield from _of_address(text)


def _of_address(address: str) -> Iterator[str]:
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return
    if found["user"] and found["scheme"].lower() not in _CONTAINERS:
        name, colon, password = found["user"][:-1].partition(":")
        yield from (found["user"][:-1], password) if colon else (name,)
    tail = found["tail"]
    if tail:
        yield tail[1:]
        for name, _, value in (part.partition("=") for part in tail[1:].split("&")):
            if name not in _OPEN_PARAMETERS:
                yield from (value, value.replace("+", " "))
        yield from _ASSIGNED.findall(tail) if tail[0] == ";" else ()


def _spellings(value: str) -> Iterator[str]:
    """A value as itself, as in an address, and as in JSON or a repr; nothing for a plain word, which is no secret."""
    value = value.strip()
    if len(value) < _SHORTEST or value.lower() in _PLAIN_WORDS:
        return
    encoded, decoded = (_encoded(value), _encoded(value, "/")), _decoded(value)
    for spelled in (value, *encoded, decoded, json.dumps(value)[1:-1], repr(value)[1:-1]):
        if len(spelled) >= _SHORTEST:
            yield spelled


def _encoded(text: str, also: str = "") -> str:
    """As in an address, RFC 3986 section 2."""
    kept = f"_.-~{also}"
    return "".join(
        char if char.isascii() and (char.isalnum() or char in kept) else "".join(f"%{b:02X}" for b in _bytes(char))
        for char in text
    )


def _decoded(text: str) -> str:
    return _CODE.sub(lambda code: bytes.fromhex(code[1].decode()), _bytes(text)).decode(errors="replace")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _found_as(value: str) -> str:
    """A pattern for the value; a short one only where it stands alone, else it would be found in other words."""
    return re.escape(value) if len(value) >= _CLEAR else rf"(?<!\w){re.escape(value)}(?!\w)"
