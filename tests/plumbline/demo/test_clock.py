"""Local clock times become the right moments, also on the two days on which New York's clocks change."""

from __future__ import annotations

import pandas as pd
import pytest

from plumbline.demo.flights.clock import first_after, minutes_of_day

NEW_YORK, HONOLULU = "America/New_York", "Pacific/Honolulu"


@pytest.mark.parametrize(("hhmm", "minutes"), [(517.0, 317), (1.0, 1), (2359.0, 1439), (2400.0, 0), (0.0, 0)])
def test_clock_times_are_minutes_of_the_day(hhmm: float, minutes: int) -> None:
    assert minutes_of_day(pd.Series([hhmm])).tolist() == [minutes]


@pytest.mark.parametrize(
    ("after", "hhmm", "zone", "moment"),
    [
        pytest.param("2013-01-01T10:15Z", 819, "America/Chicago", "2013-01-01T14:19Z", id="same day, other zone"),
        pytest.param("2013-01-02T04:30Z", 34, NEW_YORK, "2013-01-02T05:34Z", id="rolls over midnight"),
        pytest.param("2013-01-02T04:30Z", 2400, NEW_YORK, "2013-01-02T05:00Z", id="2400 is the midnight to come"),
        pytest.param("2013-01-02T04:30Z", 2330, NEW_YORK, "2013-01-03T04:30Z", id="the same minute is tomorrow's"),
        pytest.param("2013-02-01T14:00Z", 1540, HONOLULU, "2013-02-02T01:40Z", id="the longest flight"),
        pytest.param("2013-03-10T04:06Z", 203, NEW_YORK, "2013-03-10T07:03Z", id="skipped time: 02:03 EST"),
        pytest.param("2013-03-10T04:06Z", 300, NEW_YORK, "2013-03-10T07:00Z", id="first minute after the skip"),
        pytest.param("2013-11-03T03:00Z", 130, NEW_YORK, "2013-11-03T05:30Z", id="repeated time: the first one"),
        pytest.param("2013-11-03T05:45Z", 130, NEW_YORK, "2013-11-03T06:30Z", id="repeated time: then the second"),
        pytest.param("2013-11-03T06:30Z", 130, NEW_YORK, "2013-11-04T06:30Z", id="after both: the next day"),
        pytest.param("2013-11-03T03:00Z", 230, NEW_YORK, "2013-11-03T07:30Z", id="after the repeated hour"),
    ],
)
def test_first_moment_at_which_the_clock_shows(after: str, hhmm: int, zone: str, moment: str) -> None:
    moments = pd.Series([pd.Timestamp(after)])
    found = first_after(moments, minutes_of_day(pd.Series([hhmm])), pd.Series([zone]))
    assert found.tolist() == [pd.Timestamp(moment)]


def test_rows_of_several_zones_keep_their_place() -> None:
    moments = pd.Series([pd.Timestamp("2013-07-01T12:00Z")] * 3, index=[7, 3, 5])
    zones = pd.Series([HONOLULU, NEW_YORK, HONOLULU], index=[7, 3, 5])
    found = first_after(moments, pd.Series([720, 720, 780], index=[7, 3, 5]), zones)
    assert found.dt.strftime("%d %H:%M").to_dict() == {7: "01 22:00", 3: "01 16:00", 5: "01 23:00"}
