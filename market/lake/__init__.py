"""The lake: bars in Parquet files, one a series and month, written atomically and verified when read."""

from market.lake.keys import SeriesInfo, SeriesKey
from market.lake.lake import Delivery, Lake, WriteReport
from market.lake.merge import fingerprint_bars
from market.lake.provenance import ImportRecord, Source

__all__ = ["Delivery", "ImportRecord", "Lake", "SeriesInfo", "SeriesKey", "Source", "WriteReport", "fingerprint_bars"]
