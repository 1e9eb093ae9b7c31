"""From features to a plan: which nodes run, in which order, where their state lies. Shared nodes appear once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from features.feature import Feature
from features.nodes import Block, Fitted, Node, Ring, Value, walk

HEADER_INTS = 5
"""The engine's own integers, see `features.door`: count, end, number, interval, max_gap."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The layout of a feature set's state and the order of its steps.

    ``nodes`` are sorted by the bar at which they first run, sources first. ``floats_at`` and ``ints_at`` give each
    node's state offsets, ``rings`` each ringed series' (offset, capacity), ``blocks`` each window's two integers.
    ``fitted_at`` gives the offset of fitted values, which are the first ``fitted`` floats and outlive every reset.
    """

    features: tuple[Feature, ...]
    fitted_at: dict[Fitted, int]
    fitted: int
    nodes: tuple[Node, ...]
    floats_at: dict[Node, int]
    ints_at: dict[Node, int]
    rings: dict[Value, tuple[int, int]]
    blocks: dict[int, int]
    floats: int
    ints: int


def capacity(depth: int) -> int:
    """The smallest power of two that holds ``depth`` values.

    Examples
    --------
    >>> [capacity(depth) for depth in (1, 2, 3, 96)]
    [1, 2, 4, 128]
    """
    return 1 << max(0, depth - 1).bit_length()


def make_plan(features: Sequence[Feature]) -> Plan:
    """Lay out the state of some features, in the order given."""
    values = list(walk(tuple(feature.value for feature in features)))
    nodes = sorted((one for one in values if isinstance(one, Node)), key=lambda node: node.level)
    depths: dict[Value, int] = {}
    for one in values:
        if isinstance(one, Ring):
            depths[one.series] = max(depths.get(one.series, 0), one.depth)
    fitted_at: dict[Fitted, int] = {}
    floats, ints = 0, HEADER_INTS
    for one in values:
        if isinstance(one, Fitted):
            fitted_at[one] = floats
            floats += one.size
    fitted = floats
    floats_at: dict[Node, int] = {}
    ints_at: dict[Node, int] = {}
    rings: dict[Value, tuple[int, int]] = {}
    blocks: dict[int, int] = {}
    for window in sorted({one.window for one in values if isinstance(one, Block)}):
        blocks[window] = ints
        ints += 2
    for series, depth in depths.items():
        rings[series] = (floats, capacity(depth))
        floats += capacity(depth)
    for node in nodes:
        floats_at[node], ints_at[node] = floats, ints
        floats += node.floats
        ints += node.ints
    steps = tuple(nodes)
    return Plan(tuple(features), fitted_at, fitted, steps, floats_at, ints_at, rings, blocks, max(1, floats), ints)
