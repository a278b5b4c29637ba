"""Days whose inputs are those of an earlier reconcile are not read again: their verdicts are kept in the lake.

inputs    what a day's outcome depends on, as digests: data files, contract, batch runs, the program itself
kept      the verdicts, in `plumbline.verdicts`
lasting   which days of a finished comparison may be kept
reuse     which kept days stand for this run, and how they come back into it
"""
