"""Total too large: a sum of many rows does not fit its type, after the rows are stored."""

# cloudamqp/lavinmq#142: sums of sizes overflow 32 bits
# ProjectASAP/ASAPQuery#532: totals stay at the largest number of 32 bits

import pandas as pd
import pytest

from slipcast.features.point_in_time import Series, Totals, history_features
from slipcast.features.point_in_time_table import build_series
from slipcast.features.series_codec import decode, encode


def activities(count: int, start: str = "2023-06-30") -> pd.DataFrame:
    """Return activities that all start on one day and are open."""
    days = {"start": start, "baseline_finish": "2023-12-30", "data_date": "2024-06-30", "actual_finish": None}
    table = pd.DataFrame({"activity_id": [f"A{number}" for number in range(count)]}).assign(project_id="p", **days)
    for name in days:
        table[name] = pd.to_datetime(table[name])
    return table


@pytest.mark.parametrize("count", [109_000, 110_000, 400_000])
def test_any_number_of_activities_may_start_on_one_day(count):
    series = build_series(activities(count), 30)

    stored = {name: decode(encode(found)) for name, found in series.items()}

    assert stored == series
    assert stored["project_id=p"].totals.started[-1] == count
    activity = {"project_id": "p", "start": "2024-07-01", "baseline_finish": "2024-12-31"}
    assert history_features(activity, stored) == history_features(activity, series)


def test_a_series_that_fits_32_bits_is_written_as_before():
    small = Series([1, 5], Totals(*[[1, 2]] * 9))
    large = small._replace(totals=small.totals._replace(due=[1, 2**31 + 1]))

    assert (encode(small)[0], encode(large)[0]) == (1, 2)
    assert decode(encode(large)) == large
    with pytest.raises(ValueError, match="64 bits"):
        encode(small._replace(totals=small.totals._replace(due=[1, 2**64])))
