"""Names of the Iceberg tables that the jobs of all contracts share; `plumbline.connect.tables` has their columns."""

EPOCHS = "plumbline.epochs"
QUARANTINE = "plumbline.quarantine"
LATE = "plumbline.late"
