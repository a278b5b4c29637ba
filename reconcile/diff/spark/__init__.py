"""The same diff where the tables outgrow one machine: Spark finds the rows that may differ, and only they travel.

encoding     a value as one SQL value that is equal only for equal values
digests      two 64-bit digests of a row's key, and of its key and values
buckets      one scan of both sides: counts and sums of digests by bucket, added up before anything is shuffled
candidates   the rows of the buckets that are not settled; where those are many, of the keys that are not
narrow       those rows into DuckDB, where the one engine (`reconcile/diff/engine/`) compares them value by value
frames       what a user names, as Spark frames
choice       which engine, and why

So what counts as equal is decided in one place: Spark only says which rows cannot differ.
"""
