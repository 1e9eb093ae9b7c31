"""The page of the manual that lists every feature: made of the catalogue, and compared with it by a test."""

from __future__ import annotations

from collections import Counter
from importlib import import_module

from features.catalogue import CATALOGUE, GROUPS
from pipelines.catalogue.entries import GROUP_OF, Entry, entries
from pipelines.catalogue.kinds import KINDS

HEADINGS = ("name", "formula", "unit", "source", "warm-up", "memory", "reads", "cost")
TITLE = "# Features"
ABOUT = """
Made by `bot4 features page --out docs/features.md` from the catalogue; a test compares the two. Do not edit it.

{total} features: {counts}. A feature may be of several kinds.
`bot4 features show NAME` says everything about one, with the text of its kernels; `bot4 features plot NAME --on SYMBOL`
draws it over the lake's bars.

- **unit**: `1` is a pure number; standard deviations are those of the feature's own formula.
- **source**: who defined it; `own` is ours, or too common to have an author.
- **warm-up**: bars until it is defined. Before, it is NaN.
- **memory**: how many bars, the newest included, decide its bits; *all*: of history (exponential averages).
- **reads**: the bar fields it needs. Bars that lack one disable it. Those of a panel (group cross) come from the
  other instruments; they have a history of their own, and are 0 until there are bars enough to compare.
- **cost**: *cheap* is a few operations a bar, whatever the window. Otherwise the nanoseconds a bar that were measured
  for a set of this feature alone (`features.catalogue.costs` says on what); shared steps cost once.
  Cheap ones that need no fitting are what `names = "all"` takes; the others are computed where they are named.
- **fitted**: values that are estimated on training bars only, and belong to the feature set and its digest.
"""


def page() -> str:
    """The page as Markdown: what the columns mean, then a table for each group."""
    found = entries(CATALOGUE)
    kinds = Counter(kind for one in found.values() for kind in one.kinds)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS if kinds[kind])
    contents = " · ".join(f"[{group}](#{group})" for group in GROUPS)
    sections = [section(group, [found[name] for name in found if GROUP_OF[name] == group]) for group in GROUPS]
    return "\n".join([TITLE, ABOUT.format(total=len(found), counts=counts), contents, *sections])


def section(group: str, members: list[Entry]) -> str:
    """A group: the first sentence of its module, and its table."""
    about = (import_module(f"features.catalogue.{group}").__doc__ or "").splitlines()[0]
    lines = [HEADINGS, tuple("---" for _ in HEADINGS), *map(row, members)]
    return "\n".join([f"\n## {group}\n", f"{escaped(about)}\n", *(f"| {' | '.join(line)} |" for line in lines), ""])


def row(one: Entry) -> tuple[str, ...]:
    """A feature's cells, under `HEADINGS`."""
    feature = one.feature
    reads = [*(f"`{name}`" for name in one.fields), *(f"fitted `{name}`" for name in one.fitted)]
    return (
        f"`{feature.name}`",
        escaped(feature.meaning),
        escaped(feature.unit),
        escaped(feature.source),
        f"{feature.warmup:,}",
        one.memory,
        " ".join(reads) or "the time",
        one.cost,
    )


def escaped(text: str) -> str:
    r"""A text whose signs Markdown would take for its own.

    Examples
    --------
    >>> print(escaped("|x| * y_1 < z"))
    \|x\| \* y_1 &lt; z
    """
    for sign in "\\`*|[]":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("&", "&amp;").replace("<", "&lt;")
