"""Features on a terminal and as JSON: a line each, or everything about one."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from features.catalogue import by_default
from features.catalogue.core import CORE
from features.feature import Feature
from features.feature_set import collect_sources
from features.nodes import Block, Clock, Field, Fitted, Input, Node, Part, Ring, walk
from market.bars import PANEL_FIELDS
from pipelines.catalogue.entries import PLUGIN, Entry

SHORT = 72
"""Letters of a formula in a list."""
HEADINGS = ("name", "group", "unit", "warm-up", "memory", "reads", "cost", "formula")
PANEL = "its fields have a history of their own, and are 0 until the panel has bars enough to compare"
CLOCKS = {"count": "number of bars", "end": "end of the bar"}


def line(one: Entry) -> tuple[str, ...]:
    """A feature's line in a list, under `HEADINGS`."""
    feature = one.feature
    cost = f"{one.cost}, fitted" if one.fitted else one.cost
    formula = textwrap.shorten(feature.meaning, SHORT, placeholder=" …")
    reads = " ".join(one.fields)
    return feature.name, one.group, feature.unit, f"{feature.warmup:,}", one.memory, reads, cost, formula


def plain(one: Entry) -> dict[str, Any]:
    """A feature as plain data; ``memory`` is None for all of history, ``nanoseconds`` for what was not measured."""
    feature = one.feature
    return {
        "name": feature.name,
        "group": one.group,
        "kinds": one.kinds,
        "formula": feature.meaning,
        "unit": feature.unit,
        "source": feature.source,
        "scale": feature.scale,
        "depends_on": sorted(feature.depends_on),
        "parameters": dict(feature.parameters),
        "warmup": feature.warmup,
        "memory": feature.memory,
        "fields": one.fields,
        "fitted": one.fitted,
        "cost": feature.cost,
        "nanoseconds": one.nanoseconds,
        "kernel": feature.kernel,
    }


def facts(one: Entry) -> list[tuple[str, str]]:
    """Everything about a feature that fits a table of two columns."""
    feature = one.feature
    parameters = ", ".join(f"{name} {value:g}" for name, value in feature.parameters.items())
    fitted = [(f"fitted {each.name}", f"{each.size} numbers, on training bars only") for each in feature.fitted]
    rows = [
        ("name", feature.name),
        ("group", one.group),
        ("kinds", ", ".join(one.kinds)),
        ("formula", feature.meaning),
        ("unit", feature.unit),
        ("source", feature.source),
        ("scale", f"{feature.scale:g}: exact to 1e-9 of the larger of |value| and this"),
        ("other units", other_units(feature)),
        ("parameters", parameters),
        ("warm-up", warmup(feature)),
        ("memory", memory(one)),
        ("panel", PANEL if "cross" in one.kinds else ""),
        ("reads", ", ".join(one.fields) or "the time only"),
        *fitted,
        ("cost of a bar", one.cost),
        ("names that take it", taken_by(one)),
        ("disabled by", "; ".join(disabled_by(one))),
    ]
    return [row for row in rows if row[1]]


def wrapped(rows: Sequence[tuple[str, str]], width: int = 100) -> list[tuple[str, str]]:
    """A table of two columns whose second is no wider than that.

    Examples
    --------
    >>> wrapped([("unit", "bits"), ("formula", "a + b")], width=4)
    [('unit', 'bits'), ('formula', 'a +'), ('', 'b')]
    """
    return [
        (name if number == 0 else "", line)
        for name, text in rows
        for number, line in enumerate(textwrap.wrap(text, width))
    ]


def other_units(feature: Feature) -> str:
    """What it does where prices or quantities are measured in other units, as it declares and conformance checks."""
    if not feature.depends_on:
        return "the same value whatever prices and quantities are measured in"
    return f"another value where the unit of {' or '.join(sorted(feature.depends_on))} is another"


def warmup(feature: Feature) -> str:
    """From which bar on it is defined."""
    if feature.warmup == 1:
        return "none: defined from the first bar on"
    return f"defined from bar {feature.warmup:,} on, NaN before"


def memory(one: Entry) -> str:
    """Which bars decide its bits."""
    match one.feature.memory:
        case None:
            return "all of history"
        case 1:
            return "this bar alone decides its bits"
        case _:
            return f"the last {one.memory} bars decide its bits"


def taken_by(one: Entry) -> str:
    """Which choices of a configuration's ``[features] names`` take it."""
    if one.group == PLUGIN or not by_default(one.feature):
        return "by name only"
    return '"default", "all", or by name' if one.feature.name in CORE else '"all", or by name'


def disabled_by(one: Entry) -> list[str]:
    """What takes it out of a run, or refuses the run that names it."""
    panel = [name for name in one.fields if name in PANEL_FIELDS]
    bar = [name for name in one.fields if name not in PANEL_FIELDS]
    reasons = []
    if bar:
        reasons.append(f"bars that lack {' or '.join(bar)}, if only in one row between others that have it")
    if panel:
        reasons.append(f"no panel of other instruments (it fills {', '.join(panel)})")
    if one.fitted:
        reasons.append("too few training bars to fit it, or none: an engine refuses what is not fitted")
    return reasons or ["nothing: every bar has a time"]


def steps(feature: Feature) -> list[str]:
    """The computation of one bar, a compiled step a line, in an order in which it can run.

    Examples
    --------
    >>> from features.catalogue import CATALOGUE
    >>> steps(CATALOGUE["close_location"])
    ['1  close_location(high, low, close)']
    """
    numbers: dict[Node, int] = {}
    found = []
    for node in nodes(feature):
        numbers[node] = len(numbers) + 1
        arguments = [*(called(one, numbers) for one in node.inputs), *(f"{value:.10g}" for value in node.params)]
        found.append(f"{numbers[node]}  {node.kernel.__name__}({', '.join(arguments)})")
    width = len(str(len(found)))
    return [one.rjust(len(one) + width - len(one.split(" ", 1)[0])) for one in found]


def nodes(feature: Feature) -> list[Node]:
    """The steps of a feature, sources first."""
    return [one for one in walk((feature.value,)) if isinstance(one, Node)]


def called(value: Input, numbers: Mapping[Node, int]) -> str:
    """What a step reads, in words."""
    match value:
        case Field():
            return value.name
        case Clock():
            return CLOCKS[value.name]
        case Node():
            return f"step {numbers[value]}"
        case Part():
            return f"value {value.index + 1} of step {numbers[value.node]}"
        case Ring():
            return f"last {value.depth} of {called(value.series, numbers)}"
        case Block():
            return f"blocks of {value.window}"
        case Fitted():
            return f"fitted {value.name}"


def sources(feature: Feature) -> dict[str, str]:
    """The text of each kernel that runs, its callees included, by full name."""
    return {name: text for name, text in collected(feature).items() if ":" not in name}


def constants(feature: Feature) -> dict[str, str]:
    """The numbers that its kernels read from their modules, and of tables the type and shape, by full name."""
    found = {name: text for name, text in collected(feature).items() if ":" in name}
    return {name.replace(":", "."): text.rpartition(" ")[0] or text for name, text in found.items()}


def collected(feature: Feature) -> dict[str, str]:
    """What the digest of the feature's code covers."""
    seen: dict[str, str] = {}
    for node in nodes(feature):
        collect_sources(node.kernel, seen)
    return seen


def whole(one: Entry, table: str) -> str:
    """Everything about a feature: its table, its steps, and the text of its kernels."""
    fixed = [f"{name} = {value}" for name, value in constants(one.feature).items()]
    texts = [f"# {name}\n{text.rstrip()}" for name, text in sources(one.feature).items()]
    return "\n\n".join([table, titled("steps of a bar", steps(one.feature)), *titled_texts(texts, fixed)])


def titled(title: str, lines: Sequence[str]) -> str:
    """Lines under a title."""
    return "\n".join([title, *(f"  {each}" for each in lines)])


def titled_texts(texts: Sequence[str], fixed: Sequence[str]) -> list[str]:
    """Kernels and the constants they read."""
    return ["kernels", *texts, *([titled("constants", fixed)] if fixed else [])]
