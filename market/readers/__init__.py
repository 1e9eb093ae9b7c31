"""Files of bars, read: Binance archive klines (csv, csv.gz, zip), Parquet tables, generic OHLCV CSV."""

from market.readers.read import SourceBars, read_bars, read_series

__all__ = ["SourceBars", "read_bars", "read_series"]
