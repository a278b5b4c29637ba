"""Days whose inputs are those of an earlier reconcile are not read again: their verdicts are kept in the lake.

digests       what a day's outcome depends on, as digests: data files, contract, batch runs, the program itself
stored_days   the verdicts, in `plumbline.verdicts`
eligibility   which days of a finished comparison may be kept
reuse         which kept days stand for this run, and how they come back into it
"""
