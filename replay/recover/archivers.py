"""The archivers' checkpoints, when they were lost with the join's: the archive itself says how far they had come.

An archiver that starts anew would archive every record a second time. It keeps no state, so its checkpoint is an
offset log of one committed batch.
"""

from __future__ import annotations

import json
import time
import uuid

from contract.lineage import SIDES
from contract.model import Contract
from replay.recover.past import Past
from stream_job.recovered import Exchange


def rebuild(past: Past, contract: Contract, exchange: Exchange) -> list[str]:
    """Make a checkpoint for each archiver that has none though its archive holds records; returns the sources.

    Needs the new checkpoint of the join, whose session settings it takes over.
    """
    made = []
    for side, name in zip(SIDES, (contract.join.left, contract.join.right), strict=True):
        found = past.con.execute(f'SELECT partition, max("offset") + 1 FROM {side}_index GROUP BY 1').fetchall()
        if not found or (exchange.job.archive(name) / "offsets").is_dir():
            continue
        topic = contract.sources[name].topic
        ends = json.dumps({topic: {str(partition): int(end) for partition, end in sorted(found)}})
        log = (exchange.built.join / "offsets" / "0").read_text().splitlines()
        body = json.loads(log[1]) | {"batchWatermarkMs": 0, "batchTimestampMs": int(time.time() * 1_000)}
        files = {
            "metadata": json.dumps({"id": str(uuid.uuid4())}),
            "offsets/0": "\n".join([log[0], json.dumps(body), ends]),
            "commits/0": 'v1\n{"nextBatchWatermarkMs":0}',
        }
        for path, text in files.items():
            target = exchange.built.archive(name) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        made.append(name)
    return made
