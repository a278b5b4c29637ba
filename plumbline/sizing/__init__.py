"""How large a job becomes: what `plumbline size` says."""
