"""The sequential bootstrap (López de Prado 2018, section 4.5): labels drawn to overlap little.

Each draw makes the labels that overlap it less likely: label i is drawn with a probability proportional to the average
uniqueness it would have beside those drawn already, the mean over its bars of 1 / (1 + how often the bar is covered).

The published algorithm builds an indicator matrix (bars × labels) and computes every label's uniqueness anew for every
draw. But a draw changes only the labels that overlap it, and concurrency only between the labels' ends. Here
concurrency is kept on the stretches between ends, what a draw takes from each overlapping label is a difference of one
running sum, and a tree of sums over the labels, in their given order, finds the label at which the cumulative
probability passes a uniform number. Nothing is approximated and no matrix is built.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel
from models.errors import ModelError
from models.weights.overlaps import ascending, check_intervals

FAN = 16
"""Children of a node of the tree of sums."""
FRESH = 64
"""After so many updates, or as many as it has stretches, a label's uniqueness is computed anew."""


@kernel
def next_beyond(tree: NDArray[np.int64], position: int, bound: int) -> int:
    """The first leaf at or after a position whose value exceeds a bound, else the number of leaves.

    ``tree`` is a binary tree of maxima: node k has children 2k and 2k + 1, its leaves are the second half.
    """
    leaves: int = tree.shape[0] // 2
    if position >= leaves:
        return leaves
    node: int = position + leaves
    while tree[node] <= bound:
        while node & 1:
            node >>= 1
        if node == 0:
            return leaves
        node += 1
    while node < leaves:
        node *= 2
        if tree[node] <= bound:
            node += 1
    return node - leaves


@kernel
def find_leaf(sums: NDArray[np.float64], offset: NDArray[np.int64], uniform: float) -> int:
    """The first leaf at which the cumulative sum of leaves exceeds ``uniform`` times their total.

    ``sums`` holds the levels one after another, leaves first; level k is ``sums[offset[k]:offset[k + 1]]``.
    """
    top = offset.shape[0] - 2
    remaining = uniform * sums[offset[top]]
    node = 0
    for level in range(top - 1, -1, -1):
        first = offset[level] + node * FAN
        last = min(first + FAN, offset[level + 1]) - 1
        child = first
        while child < last and remaining >= sums[child]:
            remaining -= sums[child]
            child += 1
        node = child - offset[level]
    return node


@kernel
def add_up(
    sums: NDArray[np.float64],
    offset: NDArray[np.int64],
    changed: NDArray[np.int64],
    count: int,
    stamp: NDArray[np.int64],
    mark: int,
) -> None:
    """Compute anew every sum above the first ``count`` changed leaves, each once; ``changed`` is used up."""
    for level in range(1, offset.shape[0] - 1):
        parents = 0
        for number in range(count):
            node = changed[number] // FAN
            place = offset[level] + node
            if stamp[place] == mark:
                continue
            stamp[place] = mark
            first = offset[level - 1] + node * FAN
            total = 0.0
            for child in range(first, min(first + FAN, offset[level])):
                total += sums[child]
            sums[place] = total
            changed[parents] = node
            parents += 1
        count = parents


@kernel
def draw(
    uniforms: NDArray[np.float64],
    width: NDArray[np.float64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    length: NDArray[np.float64],
    order: NDArray[np.int64],
    begun: NDArray[np.int64],
    reach: NDArray[np.int64],
    tree: NDArray[np.int64],
    sums: NDArray[np.float64],
    offset: NDArray[np.int64],
    chosen: NDArray[np.int64],
) -> None:
    """Draw as many labels as there are uniforms into ``chosen``.

    Label i covers the stretches ``first[i]`` to ``stop[i] - 1``, which have a ``width`` each and a ``length`` together.
    ``order`` sorts the labels by first stretch; of those, ``begun[s]`` begin before stretch s, ``reach[s]`` is the
    first to stop after it has begun, and ``tree`` has the maxima of their stops. ``sums`` comes with every label's
    uniqueness, which is one, and the sums above.
    """
    covered = np.zeros(width.shape[0])
    lost = np.zeros(width.shape[0] + 1)
    patience = np.maximum(stop - first, FRESH)
    changed = np.empty(first.shape[0], np.int64)
    stamp = np.zeros(sums.shape[0], np.int64)
    leaves = tree.shape[0] // 2
    for number in range(uniforms.shape[0]):
        drawn = find_leaf(sums, offset, uniforms[number])
        chosen[number] = drawn
        begin, end = first[drawn], stop[drawn]
        for stretch in range(begin, end):
            times = covered[stretch] + 1.0
            lost[stretch + 1 - begin] = lost[stretch - begin] + width[stretch] / (times * (times + 1.0))
            covered[stretch] = times
        count = 0
        place = reach[begin]
        while place < begun[end]:
            label = order[place]
            patience[label] -= 1
            if patience[label] > 0:
                high, low = min(end, stop[label]), max(begin, first[label])
                sums[label] -= (lost[high - begin] - lost[low - begin]) / length[label]
            else:
                patience[label] = max(FRESH, stop[label] - first[label])
                sums[label] = afresh(width, covered, first[label], stop[label]) / length[label]
            changed[count] = label
            count += 1
            place += 1
            if place < begun[end] and tree[leaves + place] <= begin:
                place = next_beyond(tree, place, begin)
        add_up(sums, offset, changed, count, stamp, number + 1)


@kernel
def afresh(width: NDArray[np.float64], covered: NDArray[np.float64], first: int, stop: int) -> float:
    """The integral of one over the concurrency that a label over some stretches would have."""
    total = 0.0
    for stretch in range(first, stop):
        total += width[stretch] / (covered[stretch] + 1.0)
    return total


def sequential_bootstrap(
    first: NDArray[np.int64], last: NDArray[np.int64], uniforms: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Draw labels one after another, each less likely the more it overlaps those drawn before.

    Parameters
    ----------
    first, last
        First and last bar of each label, both included, shape (n,); bars count alike.
    uniforms
        One number in [0, 1) for each draw, shape (draws,): ``generator.random(draws)``.

    Returns
    -------
    numpy.ndarray
        Positions of the drawn labels in order, with repetitions, shape (draws,).

    Raises
    ------
    ModelError
        If the arrays differ in shape, a label ends before it begins, there is nothing to draw from, or a uniform is
        outside [0, 1).

    Notes
    -----
    The draws are those of the published algorithm for the same uniforms: draw k is the first label at which the
    cumulative probability exceeds ``uniforms[k]``, as in ``numpy.random.Generator.choice``. Both round: they may differ
    where a uniform falls within rounding (about 1e-13) of a boundary between two labels. A label's uniqueness is
    updated by differences and computed anew after 64 updates, or as many as it has stretches, so that rounding does
    not grow with the draws.

    A draw costs O(stretches + (overlapping labels + 1) log n); memory is O(n).

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, sections 4.5.2 and 4.5.3, snippet 4.5.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> sequential_bootstrap(np.array([0, 2, 4]), np.array([2, 3, 5]), generator.random(5)).tolist()
    [1, 0, 0, 0, 2]
    """
    return sequential_bootstrap_times(np.asarray(first, np.int64), np.asarray(last, np.int64) + 1, uniforms)


def sequential_bootstrap_times(
    start: NDArray[np.int64], t1: NDArray[np.int64], uniforms: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The sequential bootstrap of labels over [start, t1), time counting instead of bars.

    Parameters
    ----------
    start, t1
        Times of all instruments' labels together (ns), in any order, shape (n,).
    uniforms
        One number in [0, 1) for each draw, shape (draws,).

    Returns
    -------
    numpy.ndarray
        As `sequential_bootstrap`, with a mean over time in place of bars, so that unequal bars and holes need no
        special case. On bars of equal length without holes both are the same.

    Raises
    ------
    ModelError
        As `sequential_bootstrap`.

    Examples
    --------
    >>> sequential_bootstrap_times(np.array([0, 20, 40]), np.array([30, 40, 60]), np.array([0.5, 0.3, 0.6])).tolist()
    [1, 0, 2]
    """
    start, t1 = check_intervals(start, t1)
    uniforms = np.ascontiguousarray(uniforms, np.float64)
    if uniforms.ndim != 1 or not ((uniforms >= 0).all() and (uniforms < 1).all()):
        raise ModelError(f"uniforms have shape {uniforms.shape}; give one number in [0, 1) for each draw")
    if len(start) == 0 and len(uniforms):
        raise ModelError(f"{len(uniforms)} draws from no labels")
    chosen = np.empty(len(uniforms), np.int64)
    if len(uniforms) == 0:
        return chosen
    times, first, stop = _stretches(start, t1)
    order = ascending(first)
    number = np.arange(len(times))
    sums, offset = _tree_of_sums(len(start))
    draw(
        uniforms,
        np.diff(times).astype(np.float64),
        first,
        stop,
        (t1 - start).astype(np.float64),
        order,
        np.searchsorted(first[order], number),
        np.searchsorted(np.maximum.accumulate(stop[order]), number, "right"),
        _tree_of_maxima(stop[order]),
        sums,
        offset,
        chosen,
    )
    return chosen


def draw_probabilities(
    first: NDArray[np.int64], last: NDArray[np.int64], drawn: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The probabilities of the next draw of `sequential_bootstrap` after some draws, shape (n,).

    Parameters
    ----------
    first, last
        First and last bar of each label, both included, shape (n,).
    drawn
        Positions drawn so far, shape (draws,).

    Raises
    ------
    ModelError
        If the arrays differ in shape or a label ends before it begins.

    Examples
    --------
    The example of López de Prado 2018, section 4.5.3: the second of three labels was drawn first, and the probabilities
    of the second draw are 5/14, 3/14 and 6/14:

    >>> (14 * draw_probabilities(np.array([0, 2, 4]), np.array([2, 3, 5]), np.array([1]))).round(9).tolist()
    [5.0, 3.0, 6.0]
    """
    start, t1 = check_intervals(np.asarray(first, np.int64), np.asarray(last, np.int64) + 1)
    drawn = np.asarray(drawn, np.int64)
    times, begin, stop = _stretches(start, t1)
    change = np.bincount(begin[drawn], minlength=len(times)) - np.bincount(stop[drawn], minlength=len(times))
    integral = np.concatenate([[0.0], np.cumsum(np.diff(times) / (1 + np.cumsum(change)[:-1]))])
    uniqueness = (integral[stop] - integral[begin]) / (t1 - start)
    found: NDArray[np.float64] = uniqueness / uniqueness.sum()
    return found


def _stretches(
    start: NDArray[np.int64], t1: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The distinct ends of labels, and between which of them each label lies."""
    times = np.unique(np.concatenate([start, t1]))
    return times, np.searchsorted(times, start), np.searchsorted(times, t1)


def _tree_of_sums(count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Levels of sums of ones, leaves first, up to a single root, and where each level begins."""
    levels = [np.ones(count)]
    while len(levels) == 1 or len(levels[-1]) > 1:
        levels.append(np.add.reduceat(levels[-1], np.arange(0, len(levels[-1]), FAN)))
    return np.concatenate(levels), np.cumsum([0, *(len(level) for level in levels)])


def _tree_of_maxima(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """A binary tree of maxima over values, filled up to a power of two with -1."""
    leaves = 1 << max(len(values) - 1, 0).bit_length()
    tree = np.full(2 * leaves, -1, np.int64)
    tree[leaves : leaves + len(values)] = values
    while leaves > 1:
        leaves //= 2
        tree[leaves : 2 * leaves] = tree[2 * leaves : 4 * leaves].reshape(-1, 2).max(axis=1)
    return tree
