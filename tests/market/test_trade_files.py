"""Files of trades: every layout read exactly, every flaw refused with its line, on real files too."""

from __future__ import annotations

import gzip
import zipfile

import numpy as np
import polars as pl
import pytest
from bar_twins import random_trades
from market_bars import put, zipped
from trade_files import HEADERS, file_text

from market.errors import QualityError, SourceError
from market.readers import read_bars
from market.time import MINUTE, parse_time
from market.trades.quality import check_trades
from market.trades.read import read_trades
from market.trades.schema import TRADE, empty_trades, numbered

NAME = "BTCUSDT-aggTrades-2025-01-01.csv"


def archive_trades(layout, unit="ms", count=60):
    """Trades whose times the unit can hold."""
    trades = random_trades(count, 1, counts=layout.endswith("agg"))
    scale = {"ms": 10**6, "us": 10**3}[unit]
    trades["time"] -= trades["time"] % scale
    return trades


@pytest.mark.parametrize("layout", list(HEADERS))
@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("container", ["plain", "gzip", "zip"])
def test_archives_of_every_kind_are_read_exactly(tmp_path, layout, unit, header, container):
    trades = archive_trades(layout, unit)
    content = file_text(trades, layout, unit, header).encode()
    pack = {"plain": bytes, "gzip": gzip.compress, "zip": zipped}[container]
    found = read_trades(put(tmp_path, NAME, pack(content)))
    assert found.trades.tobytes() == trades.tobytes()
    assert found.kind == ("agg_trades" if layout.endswith("agg") else "trades")
    assert (found.symbol, found.container, found.header, found.time_unit) == ("BTCUSDT", container, header, unit)
    assert found.lines.tolist() == list(range(1 + header, 61 + header))


def test_generic_tables_are_read_by_the_usual_names_or_by_a_map(tmp_path):
    text = "Date,Last,Size,Taker,Pair\n2025-01-01T00:00:00.5Z,100.5,2,BUY,X\n2025-01-01T00:00:01Z,100.25,3,s,X\n"
    columns = {"time": "Date", "price": "Last", "quantity": "Size", "side": "Taker", "symbol": "Pair"}
    found = read_trades(put(tmp_path, "some.csv", text.encode()), columns=columns)
    start = parse_time("2025-01-01")
    assert found.trades["time"].tolist() == [start + 500_000_000, start + 1_000_000_000]
    assert found.trades["side"].tolist() == [1, -1]
    assert found.trades["id"].tolist() == [-1, -1]
    assert (found.symbol, found.time_unit, found.kind) == ("X", "text", "trades")
    frame = pl.DataFrame({"ts": [1735689600000], "p": [1.5], "q": [2.0], "m": [True], "a": [7]})
    frame.rename({"ts": "time"}).write_parquet(tmp_path / "some.parquet")
    row = read_trades(tmp_path / "some.parquet").trades[0]
    assert (row["side"], row["id"], row["price"], row["quantity"], row["count"]) == (-1, 7, 1.5, 2.0, 1)


def test_contracts_of_coin_margined_futures_are_counted_in_the_base_asset(tmp_path):
    text = "id,price,qty,base_qty,time,is_buyer_maker\n7,50000.0,10,0.02,1735689600000,true\n"
    assert read_trades(put(tmp_path, "x.csv", text.encode())).trades["quantity"].tolist() == [0.02]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("7,100.0,1.0,1,1,1735689600000,false,true\n8,abc,1.0,2,2,1735689600001,false,true\n", "line 2.*'abc' is not"),
        ("7,100.0,1.0,1,1,1735689600000,false,true\n8,1.0,,2,2,1735689600001,false,true\n", "line 2.*is not a number"),
        ("7,100.0,1.0,1,1,1735689600000,false,true\nx,1.0,1.0,2,2,1735689600001,false,true\n", "line 2.*whole number"),
        ("7,100.0,1.0,1,1,1735689600000,false,true\n8,1.0,1.0,2,2,1735689600001,maybe,true\n", "'maybe' is neither tr"),
        ("7,100.0,1.0,1,1,1735689600000,false,true\n8,1.0,1.0,2\n", "line 2 has 4 cells where the first line has 8"),
        ("7,100.0,1.0,1,1,1735689600000\n", "its 6 columns are not those of a Binance archive"),
        ("time,price,size,side\n1735689600000,1.0,1.0,up\n", "line 2, column 'side': 'up' is neither buy nor sell"),
        ("time,price\n1735689600000,1.0\n", "no column for quantity among"),
        ("time,price,size,symbol\n1735689600000,1.0,1.0,A\n1735689600000,1.0,1.0,B\n", "2 instruments"),
        ("", "is empty"),
    ],
)
def test_broken_files_are_refused_with_line_and_value(tmp_path, text, said):
    with pytest.raises(SourceError, match=said):
        read_trades(put(tmp_path, "x.csv", text.encode()))


def test_a_column_map_must_name_fields_and_columns(tmp_path):
    path = put(tmp_path, "x.csv", b"time,price,size\n1735689600000,1.0,1.0\n")
    with pytest.raises(SourceError, match="no column for prize"):
        read_trades(path, columns={"time": "time", "price": "price", "quantity": "size", "prize": "price"})
    with pytest.raises(SourceError, match="no column for Volume"):
        read_trades(path, columns={"time": "time", "price": "price", "quantity": "Volume"})


def test_klines_without_header_are_still_told_from_trades(tmp_path):
    path = put(tmp_path, NAME, file_text(archive_trades("spot_agg"), "spot_agg").encode())
    with pytest.raises(SourceError, match="a Binance kline archive has 12"):
        read_bars(path)


def spoiled(**values):
    trades = random_trades(20, 2)
    for field, value in values.items():
        trades[field][5] = value
    return trades


@pytest.mark.parametrize(
    ("trades", "code", "said"),
    [
        (spoiled(time=MINUTE), "misordered", "1970-01-01T00:01:00Z is before 2023"),
        (spoiled(time=-1), "bad_time", "time -1 is not between"),
        (spoiled(price=np.nan), "bad_price", "price nan"),
        (spoiled(price=0.0), "bad_price", "price 0.0"),
        (spoiled(quantity=-1.0), "bad_quantity", "quantity -1.0"),
        (spoiled(quantity=np.inf), "bad_quantity", "quantity inf"),
        (spoiled(side=3), "bad_side", "side 3"),
        (spoiled(count=0), "bad_count", "count 0"),
        (spoiled(id=-1), "bad_id", "id -1 is below zero"),
        (spoiled(id=9), "repeated", "id 9 is not above id 9"),
        (spoiled(id=3), "repeated", "id 3 is not above id 9"),
    ],
)
def test_every_flaw_is_an_error_at_its_row(trades, code, said):
    report = check_trades(trades)
    assert (report[code].severity, report[code].row) == ("error", 5)
    assert said in report[code].message
    with pytest.raises(QualityError, match=f"F: .*{code}: line 105"):
        report.raise_if_bad("F", np.arange(100, 120))


def test_left_out_ids_are_an_error_or_a_warning_as_chosen():
    trades = random_trades(20, 2)[[0, 1, 4, 5, 9]]
    assert check_trades(trades).errors[0].message == "2 gaps, 5 ids missing; the largest is 3 ids before id 14"
    assert [finding.code for finding in check_trades(trades, "report").warnings] == ["id_gap"]
    assert not check_trades(trades, "report").errors


def test_clean_trades_pass_with_and_without_ids():
    assert check_trades(random_trades(500, 3)).findings == ()
    without = random_trades(500, 3)
    without["id"] = -1
    assert check_trades(without).findings == ()
    assert check_trades(empty_trades(0)).rows == 0
    assert [finding.code for finding in check_trades(random_trades(9, 3, sideless=True)).findings] == ["sideless"]
    assert check_trades(numbered(without, 3)).findings == ()


REAL = {
    "spot-PEPEUSDT-aggTrades-2024-10-27.zip": (57_229, "PEPEUSDT", "agg_trades"),
    "XRPETH-aggTrades-20191011-20191013.csv.gz": (12_477, "XRPETH", "agg_trades"),
    "binance-spot-BTCUSDT-trades-20240808T2354.csv.gz": (19_904, "BTCUSDT", "trades"),
    "binance-spot-ETHUSDT-trades-20240808T2354.csv.gz": (14_515, "ETHUSDT", "trades"),
    "binance-um-BTCUSDT-trades-20240808T2354.csv.gz": (21_313, "BTCUSDT", "trades"),
    "ES-ticks-20130901-20130903.csv.gz": (500_000, None, "trades"),
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", list(REAL))
def test_real_files_are_read_and_pass_the_gates(real_data, name):
    found = read_trades(real_data / "trades" / name)
    assert (len(found.trades), found.symbol, found.kind) == REAL[name]
    assert found.trades.dtype == TRADE
    codes = [finding.code for finding in check_trades(found.trades).findings]
    assert codes == (["sideless"] if name.startswith("ES") else [])


@pytest.mark.real_data
def test_aggregates_count_every_trade_of_a_real_day(real_data):
    """The first and last ids of a real file chain without a hole, so counts add up to the span of trade ids."""
    path = real_data / "trades" / "spot-PEPEUSDT-aggTrades-2024-10-27.zip"
    with zipfile.ZipFile(path) as archive:
        rows = pl.read_csv(archive.read(archive.namelist()[0]), has_header=False)
    span = int(rows["column_4"][-1]) - int(rows["column_3"][0]) + 1
    assert read_trades(path).trades["count"].sum() == span
