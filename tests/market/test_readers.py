"""Every file format, detected and read exactly; every broken file refused with its line and value."""

from __future__ import annotations

import gzip

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_bars import START, UNITS, archive_lines, put, random_bars, text, zipped

from market.errors import SourceError
from market.readers import read_bars, read_series
from market.readers.names import symbol_and_interval
from market.readers.tables import BINANCE
from market.time import DAY, HOUR, MINUTE

NAME = "BTCUSDT-15m-2025-01.csv"


@pytest.mark.parametrize("unit", list(UNITS))
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("container", ["plain", "gzip", "zip"])
def test_archives_of_every_kind_are_read_exactly(tmp_path, unit, header, container):
    bars = random_bars(50)
    content = text(archive_lines(bars, unit), header).encode()
    pack = {"plain": bytes, "gzip": gzip.compress, "zip": zipped}[container]
    found = read_bars(put(tmp_path, NAME, pack(content)))
    assert found.bars.tobytes() == bars.tobytes()
    assert (found.symbol, found.interval, found.format) == ("BTCUSDT", 15 * MINUTE, "binance")
    assert (found.container, found.header, found.time_unit) == (container, header, unit)
    assert found.lines.tolist() == list(range(1 + header, 51 + header))
    assert found.notes == ()


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("header", [True, False])
def test_line_ends_and_byte_order_marks_do_not_matter(tmp_path, ending, mark, header):
    bars = random_bars(5)
    content = mark + text(archive_lines(bars), header, ending).encode()
    assert read_bars(put(tmp_path, NAME, content)).bars.tobytes() == bars.tobytes()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.decimals(0, 10**12, places=8).map(str),
            st.floats(1e-12, 1e12).map(repr),
            st.floats(1e-300, 1e300).map(lambda x: f"{x:.40g}"),
            # Half-way between two doubles, where only correct rounding gets it right.
            st.integers(2**53, 2**63).map(lambda n: f"{n}.{'0' * 25}1"),
            st.integers(2**53, 2**54).map(lambda n: str(2 * n + 1)),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_decimal_text_becomes_the_nearest_double(cells):
    parsed = pl.Series(cells, dtype=pl.String).cast(pl.Float64)
    assert parsed.to_list() == [float(cell) for cell in cells]


@pytest.mark.real_data
def test_every_number_of_a_real_file_is_the_nearest_double(real_data):
    path = real_data / "klines" / "spot-15m" / "BTCUSDT-15m-20241230-20250831.csv.gz"
    bars = read_bars(path).bars
    rows = [line.split(b",") for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert len(bars) == len(rows) == 23_520
    columns = {"open": 1, "high": 2, "low": 3, "close": 4, "volume": 5, "quote_volume": 7, "taker_buy_volume": 9}
    for field, column in columns.items():
        assert bars[field].tolist() == [float(row[column]) for row in rows]
    assert bars["start"].tolist() == [int(row[0]) * 10**6 for row in rows]
    assert bars["trade_count"].tolist() == [float(row[8]) for row in rows]


@pytest.mark.real_data
def test_the_published_zips(real_data):
    folder = real_data / "klines" / "vision-zip"
    for name, header in (("futures-um-klines", True), ("spot-klines", False)):
        found = read_bars(folder / f"{name}-BTCUSDT-1h-2024-10-28.zip")
        assert (found.header, found.symbol, found.interval, len(found.bars)) == (header, "BTCUSDT", HOUR, 24)
        assert found.bars["start"][0] == 1730073600000 * 10**6


def test_vwap_is_quote_volume_over_volume_where_there_is_any(tmp_path):
    bars = random_bars(4)
    bars["volume"][1] = bars["quote_volume"][1] = bars["taker_buy_volume"][1] = 0.0
    found = read_bars(put(tmp_path, NAME, text(archive_lines(bars)))).bars
    assert np.isnan(found["vwap"]).tolist() == [False, True, False, False]
    assert found["vwap"][2] == bars["quote_volume"][2] / bars["volume"][2]


@pytest.mark.parametrize(
    ("dates", "kind"),
    [
        (lambda t: t.astype("datetime64[ns]").astype("datetime64[s]").astype(str), "iso"),
        (lambda t: np.char.replace(t.astype("datetime64[ns]").astype("datetime64[s]").astype(str), "T", " "), "space"),
        (lambda t: np.char.add(t.astype("datetime64[ns]").astype("datetime64[ms]").astype(str), "Z"), "zulu"),
        (lambda t: np.char.add(t.astype("datetime64[ns]").astype("datetime64[s]").astype(str), "+00:00"), "offset"),
        (lambda t: t.astype("datetime64[ns]").astype("datetime64[m]").astype(str), "minutes"),
    ],
)
def test_written_dates_and_a_column_map(tmp_path, dates, kind):
    """The shape of the embedded files: prefixed names, open and close before high and low."""
    bars = random_bars(40, full=False)
    rows = zip(dates(bars["start"]), *(bars[name] for name in ("open", "close", "high", "low", "volume")), strict=True)
    lines = [",".join([str(when), *(repr(float(value)) for value in values)]) for when, *values in rows]
    header = "Date,BTC.open,BTC.close,BTC.high,BTC.low,BTC.volume"
    path = put(tmp_path, "data.csv", "\n".join([header, *lines]))
    columns = {"time": "Date"} | {name: f"BTC.{name}" for name in ("open", "high", "low", "close", "volume")}
    found = read_bars(path, columns=columns)
    assert found.bars.tobytes() == bars.tobytes()
    assert (found.symbol, found.interval, found.time_unit, found.format) == (None, 15 * MINUTE, "text", "csv")


def test_common_names_need_no_map_and_case_does_not_matter(tmp_path):
    bars = random_bars(3, full=False)
    lines = [f"{b['start'] // 10**9};{b['open']};{b['high']};{b['low']};{b['close']};{b['volume']}" for b in bars]
    path = put(tmp_path, "x.csv", "\n".join(["Timestamp;Open;High;Low;Close;Volume", *lines]))
    assert read_bars(path).bars.tobytes() == bars.tobytes()


def test_bars_labelled_by_their_end(tmp_path):
    bars = random_bars(10, full=False)
    frame = pl.DataFrame({name: bars[name] for name in ("end", "open", "high", "low", "close", "volume")})
    frame.rename({"end": "stamp"}).write_parquet(tmp_path / "x.parquet")
    columns = {"end": "stamp"} | {name: name for name in ("open", "high", "low", "close", "volume")}
    assert read_bars(tmp_path / "x.parquet", columns=columns).bars.tobytes() == bars.tobytes()


@pytest.mark.parametrize("kind", ["milliseconds", "datetime", "zoned"])
def test_parquet_tables(tmp_path, kind):
    bars = random_bars(30)
    frame = pl.DataFrame({name: bars[name] for name in ("start", "open", "high", "low", "close", "volume")})
    frame = frame.with_columns(count=pl.Series(bars["trade_count"].astype(np.int64)))
    stamp = pl.col("start") // 10**6
    if kind != "milliseconds":
        stamp = pl.from_epoch(stamp, "ms")
    if kind == "zoned":
        stamp = stamp.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
    frame.with_columns(open_time=stamp).drop("start").write_parquet(tmp_path / "ETHUSDT-15m-2025.parquet")
    found = read_bars(tmp_path / "ETHUSDT-15m-2025.parquet")
    for field in ("start", "end", "open", "high", "low", "close", "volume", "trade_count"):
        assert found.bars[field].tolist() == bars[field].tolist()
    assert np.isnan(found.bars["taker_buy_volume"]).all()
    assert (found.symbol, found.format) == ("ETHUSDT", "parquet")


def test_a_table_of_several_symbols_is_taken_apart_with_its_line_numbers(tmp_path):
    one, two = random_bars(5, seed=1, full=False), random_bars(7, seed=2, full=False)
    names = ("start", "open", "high", "low", "close", "volume")
    tables = [pl.DataFrame({"symbol": [s] * len(b), **{n: b[n] for n in names}}) for s, b in (("A", one), ("B", two))]
    mixed = pl.concat([tables[0][:2], tables[1][:3], tables[0][2:], tables[1][3:]])
    mixed.write_csv(tmp_path / "both.csv")
    found = {series.symbol: series for series in read_series(tmp_path / "both.csv")}
    assert found["A"].bars.tobytes() == one.tobytes()
    assert found["B"].bars.tobytes() == two.tobytes()
    assert found["A"].lines.tolist() == [2, 3, 7, 8, 9]
    assert read_bars(tmp_path / "both.csv", symbol="B").bars.tobytes() == two.tobytes()
    with pytest.raises(SourceError, match="holds 2 series where one was asked for"):
        read_bars(tmp_path / "both.csv")
    broken = mixed.with_columns(open=pl.when(pl.int_range(pl.len()) == 6).then(pl.lit("x")).otherwise("open"))
    broken.write_csv(tmp_path / "both.csv")
    with pytest.raises(SourceError, match="line 8, column 'open': 'x' is not a number"):
        read_series(tmp_path / "both.csv")


def test_irregular_close_times_are_noted_and_end_stays_on_the_grid(tmp_path):
    bars = random_bars(20)
    lines = archive_lines(bars)
    cells = lines[7].split(",")
    cells[6] = str(int(cells[6]) - 1000)
    lines[7] = ",".join(cells)
    found = read_bars(put(tmp_path, NAME, text(lines)))
    assert found.bars.tobytes() == bars.tobytes()
    assert found.notes == (
        "1 bars have an irregular close time (first: line 8, 2024-12-30T01:45:00Z); end is on the grid",
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BTCUSDT-15m-2025-01.csv.gz", ("BTCUSDT", 15 * MINUTE)),
        ("1000SHIBUSDT-1d-2025-01.zip", ("1000SHIBUSDT", DAY)),
        ("BTCUSDT_250328-1h-2025.zip", ("BTCUSDT_250328", HOUR)),
        ("10symbols-1d-20170817.parquet", (None, None)),
        ("BTCUSDT-1mo-2025.csv", (None, None)),
        ("prices.csv", (None, None)),
    ],
)
def test_file_names(name, expected):
    assert symbol_and_interval(name) == expected


def test_the_interval_is_the_name_s_then_the_commonest_step(tmp_path):
    bars = np.delete(random_bars(30), [3, 4, 11])
    assert read_bars(put(tmp_path, "x.csv", text(archive_lines(bars), True))).interval == 15 * MINUTE
    assert read_bars(put(tmp_path, "XY-15m.csv", text(archive_lines(bars[:1])))).interval == 15 * MINUTE
    with pytest.raises(SourceError, match="says 1m but most rows are 900 s apart"):
        read_bars(put(tmp_path, "BTC-1m-2025.csv", text(archive_lines(bars))))
    with pytest.raises(
        SourceError, match=r"line 1: the bar closes at 2024-12-30T00:14:59\.999.*does not fit bars of 60 s"
    ):
        read_bars(put(tmp_path, "BTC-1m-2025.csv", text(archive_lines(bars))), interval=MINUTE)
    with pytest.raises(SourceError, match="neither its name nor its single row says the interval"):
        read_bars(put(tmp_path, "x.csv", text(archive_lines(bars[:1]))))


def edited(line, column, value):
    """An archive of 30 bars with one cell changed; ``line`` counts from 1."""
    lines = archive_lines(random_bars(30))
    cells = lines[line - 1].split(",")
    cells[column] = value
    lines[line - 1] = ",".join(cells)
    return text(lines)


ARCHIVE = text(archive_lines(random_bars(30)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (gzip.compress(ARCHIVE.encode(), mtime=0)[:-20], "the gzip stream is truncated or damaged"),
        (gzip.compress(ARCHIVE.encode(), mtime=0)[:200] + b"xx", "the gzip stream is truncated or damaged"),
        (zipped(ARCHIVE)[:-40], "the zip is truncated or damaged"),
        (zipped(ARCHIVE)[:300], "the zip is truncated or damaged"),
        (zipped(ARCHIVE).replace(b"\x2c", b"\x2d", 1), "the zip is truncated or damaged|truncated"),
        (zipped(ARCHIVE, "a.csv", "b.csv"), r"holds 2 files \['a.csv', 'b.csv'\]"),
        (ARCHIVE[:-60], r"line 30 has \d+ cells where the first line has 12"),
        (ARCHIVE.replace("\n", ",9\n", 17).replace(",9\n", "\n", 16), "line 17 has 13 cells"),
        (ARCHIVE.replace("\n", "\n\n", 1), "line 2 has 1 cells"),
        ("\n".join(line.rsplit(",", 1)[0] for line in ARCHIVE.split()), "no header row and 11 columns"),
        (",".join(BINANCE), "has a header but no rows"),
        (edited(9, 2, "oops"), "line 9, column 'high': 'oops' is not a number"),
        (edited(9, 5, ""), "line 9, column 'volume': .* is not a number"),
        (edited(9, 9, "1,5").replace("1,5", "1;5"), "line 9, column 'taker_buy_volume': '1;5'"),
        (edited(9, 0, "yesterday"), "line 9, column 'open_time': time 'yesterday' is neither"),
        (edited(9, 0, "1735516800"), "line 9, column 'open_time': time '1735516800' is not in ms like the first row"),
        ("x,y,z\n1,2,3\n", "no column for start .or end., open, high, low, close, volume among"),
        ("open,open\n1,2\n", "names a column twice"),
        ("<html>\n<body>not found</body>\n", "no column for start"),
        ("time,open,high,low,close,volume\n2025-01-01+02:00,1,1,1,1,1\n", "line 2.*neither a whole number nor an ISO"),
        (b"PAR1 and nothing else", "the Parquet file is truncated or damaged"),
        (b"time,open,high,low,close,volume\n1,2,3,1,2,\xff\n", "is not a table of UTF-8 text"),
        (b"time,open,high,low,close,volume\r1500000000000,1,2,0.5,1,3\r", "lines that end in a line feed"),
        (b"\x00\x93\r\xff,\x01\r\x02", "is not a table"),
        (b'"a\r\x00"b,c\n1,2\n', "is not a table|no column for start|cells where the first line"),
    ],
)
def test_broken_files_are_refused_by_name(tmp_path, content, message):
    path = put(tmp_path, NAME, content)
    with pytest.raises(SourceError, match=message) as caught:
        read_bars(path)
    assert str(path) in str(caught.value)


def test_an_empty_optional_cell_is_missing(tmp_path):
    found = read_bars(put(tmp_path, NAME, edited(9, 9, ""))).bars["taker_buy_volume"]
    assert np.flatnonzero(np.isnan(found)).tolist() == [8]


def test_quoted_cells(tmp_path):
    bars = random_bars(4)
    quoted = "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in archive_lines(bars))
    assert read_bars(put(tmp_path, NAME, text([], True) + quoted)).bars.tobytes() == bars.tobytes()


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"nothing\.csv: cannot be read \(No such file"):
        read_bars(tmp_path / "nothing.csv")


def test_wrong_wishes_are_refused(tmp_path):
    path = put(tmp_path, NAME, ARCHIVE)
    with pytest.raises(SourceError, match="is a binance file, not parquet"):
        read_bars(path, format="parquet")
    with pytest.raises(SourceError, match=r"unknown fields \['opn'\]"):
        read_bars(path, columns={"opn": "open"})
    with pytest.raises(SourceError, match=r"names \['Open'\], but the columns are"):
        read_bars(path, columns={"open": "Open"})
    with pytest.raises(SourceError, match=f"line 1, column 'open_time': time '{START // 10**6}' in s is beyond"):
        read_bars(path, time_unit="s")
