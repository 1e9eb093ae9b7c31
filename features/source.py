"""From a plan to source text: one function that loops over bars and calls every kernel the plan needs, in order.

The text is a plain module: it can be read, imported, and run with the JIT off. Literal offsets and parameters let the
compiler inline the kernels. Nodes are grouped by the bar at which they first run, and ``continue`` ends a row at the
first group that is not yet defined, so no kernel ever sees an undefined input. The engine's counters live in local
variables during the loop (through memory they cost more than some features).
"""

from __future__ import annotations

from collections.abc import Iterator

from features.nodes import Block, Clock, Field, Fitted, Input, Node, Part, Ring, Value, walk
from features.plan import Plan
from market.bars import COLUMN, PRICE_FIELDS

HEAD = '''"""Generated from a FeatureSet; do not edit."""

from math import nan

from features.door import arrive, first_refused
{imports}
from market.jit import kernel


@kernel
def replay(bars_f, bars_i, out, state_f, state_i):
    refused = first_refused(bars_f, bars_i, state_i, {optional})
    if refused >= 0:
        return refused
    count, end, number, interval, max_gap = state_i[0], state_i[1], state_i[2], state_i[3], state_i[4]
{load}    for row in range(bars_f.shape[0]):
        count, number = arrive(bars_i[row, 0], end, count, number, {memory}, state_i, interval, max_gap)
        end = bars_i[row, 1]
'''
TAIL = """    state_i[0], state_i[1], state_i[2] = count, end, number
{store}    return -1
"""
INDENT = " " * 8


class Names:
    """The variable that holds each value, and the alias of each kernel."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.number = {node: f"n{place}" for place, node in enumerate(plan.nodes)}
        kernels = dict.fromkeys((node.kernel.__module__, node.kernel.__name__) for node in plan.nodes)
        self.kernels = {key: f"k{place}_{key[1]}" for place, key in enumerate(kernels)}

    def value(self, value: Value) -> str:
        """The variable of one value."""
        match value:
            case Field():
                return f"x_{value.name}"
            case Clock():
                return value.name
            case Node():
                return self.number[value]
            case Part():
                return f"{self.number[value.node]}_{value.index}"

    def arguments(self, source: Input) -> str:
        """What a kernel is passed for one input."""
        match source:
            case Ring():
                at, size = self.plan.rings[source.series]
                return f"{literal(at)}, {literal(size - 1)}"
            case Block():
                return f"{literal(source.window)}, fresh_{source.window}, since_{source.window}"
            case Fitted():
                return literal(self.plan.fitted_at[source])
            case _:
                return self.value(source)

    def call(self, node: Node) -> str:
        """The statement that runs a node."""
        parts = []
        if node.floats or any(isinstance(one, Ring | Fitted) for one in node.inputs):
            parts.append(f"state_f, {literal(self.plan.floats_at[node])}")
        if node.ints:
            parts.append(f"state_i, {literal(self.plan.ints_at[node])}")
        parts += [self.arguments(one) for one in node.inputs]
        parts += [literal(one) for one in node.params]
        name = self.number[node]
        targets = name if node.outputs == 1 else ", ".join(f"{name}_{place}" for place in range(node.outputs))
        kernel = self.kernels[node.kernel.__module__, node.kernel.__name__]
        return f"{targets} = {kernel}({', '.join(parts)})"


def literal(number: float) -> str:
    """A number as an argument. A bare integer would have numba compile the kernel once more for every value it takes.

    Examples
    --------
    >>> literal(96), literal(0.5)
    ('int(96)', '0.5')
    """
    return f"int({number})" if isinstance(number, int) else repr(number)


def preamble(plan: Plan) -> Iterator[str]:
    """Statements that load what the nodes read: bar fields, the end, and where the bar stands in each block."""
    values = list(walk(tuple(feature.value for feature in plan.features)))
    for name in dict.fromkeys(one.name for one in values if isinstance(one, Field)):
        yield f"x_{name} = bars_f[row, {COLUMN[name]}]"
    if plan.blocks:
        yield "if count == 1:"
        yield from (f"    next_{window} = 0" for window in plan.blocks)
    for window in plan.blocks:
        yield f"fresh_{window} = number >= next_{window}"
        yield f"if fresh_{window}:"
        yield f"    next_{window} = (number // {window} + 1) * {window}"
        yield f"    since_{window} = 0"
        yield f"since_{window} += 1"


def push(plan: Plan, names: Names, series: Value) -> str:
    """The statement that appends to a ring."""
    at, size = plan.rings[series]
    return f"state_f[{at} + (count & {size - 1})] = {names.value(series)}"


def steps(plan: Plan, names: Names, level: int) -> Iterator[str]:
    """Statements that run from bar ``level`` on: nodes, what they append to rings, outputs that are now defined."""
    for node in plan.nodes:
        if node.level == level:
            yield names.call(node)
            for series in plan.rings:
                if node in (series, getattr(series, "node", None)):
                    yield push(plan, names, series)
    for column, feature in enumerate(plan.features):
        if feature.warmup == level:
            yield f"out[row, {column}] = {names.value(feature.value)}"


def body(plan: Plan, names: Names) -> Iterator[str]:
    """All statements of one row."""
    yield f"if count < {max(feature.warmup for feature in plan.features)}:"
    yield f"    for column in range({len(plan.features)}):"
    yield "        out[row, column] = nan"
    yield from preamble(plan)
    yield from (push(plan, names, series) for series in plan.rings if isinstance(series, Field | Clock))
    for level in sorted({node.level for node in plan.nodes} | {feature.warmup for feature in plan.features}):
        if level > 1:
            yield f"if count < {level}:"
            yield "    continue"
        yield from steps(plan, names, level)


def optional_fields(plan: Plan) -> int:
    """A bit mask of the columns that must be present besides open, high, low, close and volume."""
    names = {name for feature in plan.features for name in feature.fields} - set(PRICE_FIELDS)
    return sum(1 << COLUMN[name] for name in names)


def generate(plan: Plan) -> str:
    """The source text of the module of a plan; interval and gap rule are in the state, so all grids share it."""
    names = Names(plan)
    imports = "\n".join(f"from {module} import {name} as {alias}" for (module, name), alias in names.kernels.items())
    blocks = [(f"next_{window}", f"since_{window}", at) for window, at in plan.blocks.items()]
    load = "".join(f"    {following}, {since} = state_i[{at}], state_i[{at + 1}]\n" for following, since, at in blocks)
    store = "".join(f"    state_i[{at}], state_i[{at + 1}] = {following}, {since}\n" for following, since, at in blocks)
    memory = f"state_f[{plan.fitted}:]" if plan.fitted else "state_f"  # a gap empties all but what was fitted
    head = HEAD.format(imports=imports, optional=optional_fields(plan), load=load, memory=memory)
    return head + "".join(f"{INDENT}{line}\n" for line in body(plan, names)) + TAIL.format(store=store)
