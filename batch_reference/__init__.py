"""The batch reference: the same join over the archive, sharing nothing with the streaming job but the contract."""
