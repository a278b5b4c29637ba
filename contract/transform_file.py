"""The source file of a contract's transform: it is found and hashed, never run (`plumbline.connect.user_code` runs it).

The function's module is found beside the contract's file or on PYTHONPATH.
"""

from __future__ import annotations

import hashlib
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.contract.errors import ContractError

if TYPE_CHECKING:
    from plumbline.contract.model import Contract


def transform_file(contract: Contract) -> Path | None:
    """The source file of the transform's module, that beside the contract's file first; None without a transform.

    Raises ContractError when there is none.
    """
    if contract.stream.transform is None:
        return None
    name = contract.stream.transform.partition(":")[0]
    beside = contract_folder(contract) / f"{name}.py"
    if beside.is_file():
        return beside.resolve()
    spec = _found(name)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise transform_error(contract, f"there is no module {name!r}", f"put {name}.py beside the contract's file")
    return Path(spec.origin)


def _found(name: str) -> ModuleSpec | None:
    """Where the import system would load a module from. `find_spec` alone would run the packages above it."""
    package, *below = name.split(".")
    try:
        spec = find_spec(package)
        for part in below:
            if spec is None or spec.submodule_search_locations is None:
                return None
            package = f"{package}.{part}"
            spec = PathFinder.find_spec(package, spec.submodule_search_locations)
    except (ImportError, ValueError):
        return None
    return spec


def transform_sha256(contract: Contract) -> str | None:
    """Hex digest of the source of the transform's module; None without a transform."""
    file = transform_file(contract)
    return None if file is None else hashlib.sha256(file.read_bytes()).hexdigest()


def transform_error(contract: Contract, what: str, step: str) -> ContractError:
    """What is wrong with the contract's transform, at its line."""
    where = contract.place(("stream", "transform"))
    return ContractError(f"the transform {contract.stream.transform!r}: {what}", where=where, next_step=step)


def contract_folder(contract: Contract) -> Path:
    """The folder of the contract's file, which its paths are relative to."""
    return Path(contract._places.file or ".").parent
