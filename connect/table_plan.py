"""Which data files a scan of an Iceberg snapshot reads, and which delete files apply to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    from pyiceberg.table import DataScan, FileScanTask


def plan_files(scan: DataScan, identifier: str) -> list[FileScanTask]:
    """The files of the scan. Raises SetupError where rows are deleted by value (equality deletes).

    PyIceberg refuses those too, but not all of them: up to 0.12 it leaves out a delete file whose columns' bounds lie
    outside the row filter, though another of the columns is what it deletes by.
    """
    from pyiceberg.manifest import DataFileContent, ManifestContent

    snapshot = scan.snapshot()
    for manifest in snapshot.manifests(scan.io) if snapshot else ():
        if manifest.content != ManifestContent.DELETES:
            continue
        for entry in manifest.fetch_manifest_entry(scan.io, discard_deleted=True):
            if entry.data_file.content == DataFileContent.EQUALITY_DELETES:
                raise SetupError(
                    f"{identifier} has files of deleted values (equality deletes), which are not read",
                    where=entry.data_file.file_path,
                    next_step=f"apply them first: CALL system.rewrite_data_files(table => '{identifier}', options => "
                    "map('delete-file-threshold', '1'))",
                )
    return list(scan.plan_files())
