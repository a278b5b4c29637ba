"""The archivers whose checkpoints were lost with the join's: each goes on from the end of its archive, by itself."""

from __future__ import annotations

from plumbline.connect.owners import archive_owner
from plumbline.contract.lineage import SIDES
from plumbline.contract.model import Contract
from plumbline.replay.recover.past import Past
from plumbline.stream_job.checkpoint_health import Exchange


def without_checkpoint(past: Past, contract: Contract, exchange: Exchange) -> list[str]:
    """The sources whose archives hold records and whose archivers have no checkpoint (see stream_job.archiver).

    An archive that another contract writes has its archiver in that contract's job.
    """
    found = []
    for side, name in zip(SIDES, (contract.join.left, contract.join.right), strict=True):
        held = past.con.execute(f"SELECT 1 FROM {side}_index LIMIT 1").fetchone()
        owner = archive_owner(past.pins.lake, contract, name)
        if held and owner is None and not (exchange.job.archive(name) / "offsets").is_dir():
            found.append(name)
    return found
