"""Building blocks of the catalogue: small functions that make nodes. Equal calls give equal nodes, computed once."""

from __future__ import annotations

import itertools

from features.kernels import extremes, oscillators, paths, price, ratios, recursive, windows
from features.kernels import moments as centred
from features.nodes import CLOSE, COUNT, HIGH, LOW, OPEN, Block, Kernel, Node, Part, Ring, Value

VOLATILITY_SPAN = 96


def apply(kernel: Kernel, *inputs: Value, params: tuple[float | int, ...] = (), outputs: int = 1) -> Node:
    """A stateless kernel on values of this bar."""
    return Node(kernel, inputs, params, outputs=outputs)


def previous(series: Value) -> Node:
    """The value one bar ago."""
    return Node(recursive.previous, (series,), floats=1, delay=1)


def ewma(series: Value, keep: float, bars: int) -> Node:
    """Exponential average with decay ``keep``, defined after ``bars`` values."""
    weight = Node(recursive.ewma_weight, (), (keep,), floats=2, recursive=True, start=series.first)
    return Node(recursive.ewma, (series, weight), floats=1, delay=bars - 1, recursive=True)


def span_ewma(series: Value, span: int) -> Node:
    """Exponential average with weight 2 / (span + 1), defined after ``span`` values."""
    return ewma(series, 1.0 - 2.0 / (span + 1.0), span)


def wilder(series: Value, period: int) -> Node:
    """Wilder's average with weight 1 / period, defined after ``period`` values."""
    return ewma(series, 1.0 - 1.0 / period, period)


def ewma_distance(change: Value, span: int) -> Node:
    """A series minus its exponential average, from its changes; counts ``span`` values of the series."""
    weight = Node(recursive.ewma_weight, (), (1.0 - 2.0 / (span + 1.0),), floats=2, recursive=True)
    return Node(recursive.ewma_distance, (change, weight), floats=1, delay=span - change.first, recursive=True)


def window_sum(series: Value, window: int) -> Node:
    """Sum of the last ``window`` values."""
    if window <= windows.SHORT:
        return Node(windows.short_sum, (series, Ring(series, window), COUNT), (window,), delay=window - 1)
    inputs = (series, Ring(series, window), COUNT, Block(window))
    return Node(windows.window_sum, inputs, floats=window + 1, delay=window - 1)


def moments(series: Value, window: int) -> tuple[Part, Part, Part]:
    """Shift, and shifted sums of first and second powers, of the last ``window`` values."""
    inputs = (series, Ring(series, window), COUNT, Block(window))
    node = Node(windows.window_moments, inputs, floats=2 * window + 3, outputs=3, delay=window - 1)
    return Part(node, 0), Part(node, 1), Part(node, 2)


def higher_moments(series: Value, window: int) -> tuple[Part, Part]:
    """Shifted sums of third and fourth powers of the last ``window`` values, with the shift of `moments`."""
    inputs = (series, Ring(series, window), COUNT, Block(window))
    node = Node(windows.window_higher_moments, inputs, floats=2 * window + 3, outputs=2, delay=window - 1)
    return Part(node, 0), Part(node, 1)


def window_sums(series: Value, lengths: tuple[int, ...]) -> list[Node]:
    """Sums of several windows; one twice as long as that before it is the sum of its halves."""
    sums = [window_sum(series, lengths[0])]
    for before, window in itertools.pairwise(lengths):
        nested = window == 2 * before
        sums.append(apply(ratios.total, lookback(sums[-1], before), sums[-1]) if nested else window_sum(series, window))
    return sums


def weighted_mean(series: Value, window: int) -> Node:
    """Linearly weighted average of the last few values, the newest with weight ``window``; takes time with them."""
    inputs = (series, Ring(series, window), COUNT)
    return Node(windows.short_weighted_mean, inputs, (window,), delay=window - 1)


def dispersion(series: Value, window: int) -> tuple[Part, Part, Part, Part]:
    """Mean about the shift of `moments`, mean, population variance and 1 / standard deviation."""
    node = apply(centred.dispersion, *moments(series, window), params=(window,), outputs=4)
    return Part(node, 0), Part(node, 1), Part(node, 2), Part(node, 3)


def z_score(series: Value, window: int) -> Node:
    """The newest value's distance to the mean of the last ``window``, in their standard deviations."""
    mean, _, _, inverse = dispersion(series, window)
    return apply(centred.z_score, series, moments(series, window)[0], mean, inverse)


def lookback(series: Value, bars: int) -> Value:
    """The value some bars ago."""
    if bars == 1:
        return previous(series)
    return Node(windows.lookback, (Ring(series, bars + 1), COUNT), (bars,), delay=bars)


def autocorrelation(series: Value, lag: int, window: int) -> Node:
    """Sample autocorrelation of the last ``window`` values."""
    products = window_sum(apply(ratios.product, series, lookback(series, lag)), window - lag)
    newest = series if lag == 1 else window_sum(series, lag)
    oldest = lookback(newest, window - lag)
    _, level, variance, _ = dispersion(series, window)
    return apply(centred.autocorrelation, products, newest, oldest, level, variance, params=(window, lag))


def correlation(x: Value, y: Value, window: int) -> Node:
    """Correlation of the last ``window`` values of two series."""
    products = window_sum(apply(ratios.product, x, y), window)
    return apply(
        centred.correlation, products, *dispersion(x, window)[1:], *dispersion(y, window)[1:], params=(window,)
    )


def extreme(series: Value, window: int, sign: float) -> Node:
    """The largest (1.0) or smallest (-1.0) of the last ``window`` values."""
    inputs = (series, Ring(series, window), COUNT, Block(window))
    return Node(extremes.window_extreme, inputs, (sign,), floats=window + 1, delay=window - 1)


def extreme_age(series: Value, window: int, sign: float) -> Node:
    """How many bars ago the largest (1.0) or smallest (-1.0) of the last ``window`` values was last seen."""
    inputs = (series, Ring(series, window), COUNT, Block(window))
    return Node(extremes.window_age, inputs, (sign,), floats=window + 1, ints=window + 1, delay=window - 1)


def path_moments(change: Value, window: int) -> tuple[Part, Part, Part, Part]:
    """Path, and its window sums of path, path squared, age times path, over ``window`` points (window - 1 changes)."""
    inputs = (change, Ring(change, window), COUNT, Block(window))
    node = Node(paths.window_path, inputs, floats=3 * window + 4, outputs=4, delay=window - 2)
    return Part(node, 0), Part(node, 1), Part(node, 2), Part(node, 3)


def weighted_distance(change: Value, window: int) -> Node:
    """Distance of a path to its linearly weighted average over ``window`` points (window - 1 changes)."""
    ring = Ring(change, window)
    if window <= windows.SHORT:
        return Node(paths.short_weighted_distance, (change, ring, COUNT), (window,), delay=window - 2)
    inputs = (change, ring, COUNT, Block(window))
    return Node(paths.window_weighted_distance, inputs, floats=window + 3, delay=window - 2)


def path_dispersion(change: Value, window: int) -> tuple[Part, Part, Part]:
    """Distance of a path to its mean, its population standard deviation, and 1 / that."""
    node = apply(centred.path_dispersion, *path_moments(change, window)[:3], params=(window,), outputs=3)
    return Part(node, 0), Part(node, 1), Part(node, 2)


def weighted_path(change: Value, weight: Value, window: int) -> Node:
    """Sum of weight times path over the last ``window`` points, with the path of `path_moments`."""
    inputs = (change, Ring(change, window), weight, Ring(weight, window), COUNT, Block(window))
    return Node(paths.window_weighted_path, inputs, floats=window + 2, delay=window - 2)


def commodity_channel(window: int) -> Node:
    """Commodity channel index of the last ``window`` bars."""
    rings = (Ring(HIGH, window), Ring(LOW, window), Ring(CLOSE, window))
    inputs = (HIGH, LOW, CLOSE, *rings, COUNT, Block(window))
    return Node(oscillators.commodity_channel, inputs, floats=3 * window + 2, delay=window - 1)


CLOSE_BEFORE = previous(CLOSE)
LOG_RETURN = apply(price.log_ratio, CLOSE, CLOSE_BEFORE)
SQUARED_RETURN = apply(ratios.square, LOG_RETURN)
VARIANCE = span_ewma(SQUARED_RETURN, VOLATILITY_SPAN)
INVERSE_VOLATILITY = apply(ratios.inverse_root, VARIANCE)
TRUE_RANGE = apply(price.true_range, HIGH, LOW, CLOSE_BEFORE)
TYPICAL = apply(price.typical_price, HIGH, LOW, CLOSE)
SCALED_RETURN = apply(ratios.scaled, LOG_RETURN, INVERSE_VOLATILITY, params=(1.0,))
RANGE_VARIANCES = apply(price.range_variances, OPEN, HIGH, LOW, CLOSE, outputs=4)
BODY = Part(RANGE_VARIANCES, 3)
CLOSE_LOCATION = apply(price.close_location, HIGH, LOW, CLOSE)


def per_volatility(value: Value, bars: float) -> Node:
    """A log move divided by ``ewma_volatility_96`` times the square root of ``bars``."""
    return apply(ratios.scaled, value, INVERSE_VOLATILITY, params=(1.0 / bars**0.5,))
