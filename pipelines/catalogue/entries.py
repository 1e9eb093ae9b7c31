"""What there is to say of a feature: its group and kinds, what it costs, and which features are meant by some words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from features.catalogue import GROUPS
from features.catalogue.costs import NANOSECONDS
from features.feature import Feature
from market.bars import FIELDS, PANEL_FIELDS
from market.book.aggregates import BOOK_FIELDS
from pipelines.catalogue.kinds import KINDS, Kind
from pipelines.errors import ConfigError

PLUGIN = "plugin"
GROUP_OF: Mapping[str, str] = {feature.name: group for group, members in GROUPS.items() for feature in members}


@dataclass(frozen=True, slots=True)
class Entry:
    """A feature and its place in the catalogue; those from outside the repository are of the group ``plugin``."""

    feature: Feature
    group: str

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """All that apply of `KINDS`, in that order; ``cheap`` and ``expensive`` are each other's opposite.

        Examples
        --------
        >>> from features.catalogue import CATALOGUE
        >>> entries(CATALOGUE)["regime_turbulent_2"].kinds, entries(CATALOGUE)["ofi"].kinds
        (('expensive', 'fitted'), ('cheap', 'book'))
        """
        one = self.feature
        applies: dict[Kind, bool] = {
            "cheap": one.cost == "cheap",
            "expensive": one.cost == "expensive",
            "book": not one.fields.isdisjoint(BOOK_FIELDS),
            "cross": not one.fields.isdisjoint(PANEL_FIELDS),
            "fitted": bool(one.fitted),
            "plugin": self.group == PLUGIN,
        }
        return tuple(kind for kind in KINDS if applies[kind])

    @property
    def nanoseconds(self) -> float | None:
        """The measured cost a bar of an expensive feature of the house, on its own; None where nothing was measured."""
        return NANOSECONDS.get(self.feature.name) if self.group != PLUGIN else None

    @property
    def cost(self) -> str:
        """What a bar costs, in words.

        Examples
        --------
        >>> from features.catalogue import CATALOGUE
        >>> found = entries(CATALOGUE)
        >>> found["rsi_14"].cost, found["sup_adf_96"].cost == f"{NANOSECONDS['sup_adf_96']:,} ns"
        ('cheap', True)
        """
        if self.feature.cost == "cheap":
            return "cheap"
        return "expensive, not measured" if self.nanoseconds is None else f"{self.nanoseconds:,g} ns"

    @property
    def fields(self) -> tuple[str, ...]:
        """The bar fields it reads, in the order of the bar."""
        return tuple(name for name in FIELDS if name in self.feature.fields)

    @property
    def fitted(self) -> tuple[str, ...]:
        """The names of the values it needs that are fitted on training bars."""
        return tuple(one.name for one in self.feature.fitted)

    @property
    def memory(self) -> str:
        """How many bars decide its bits, in words.

        Examples
        --------
        >>> from features.catalogue import CATALOGUE
        >>> entries(CATALOGUE)["momentum_t_16"].memory, entries(CATALOGUE)["rsi_14"].memory
        ('17', 'all')
        """
        return "all" if self.feature.memory is None else f"{self.feature.memory:,}"


def entries(catalogue: Mapping[str, Feature]) -> dict[str, Entry]:
    """Every feature of a catalogue by name, in its order."""
    return {name: Entry(feature, GROUP_OF.get(name, PLUGIN)) for name, feature in catalogue.items()}


def choose(found: Mapping[str, Entry], name: str) -> Entry:
    """A feature by name.

    Raises
    ------
    ConfigError
        If there is none, with the nearest names.
    """
    if name not in found:
        raise ConfigError(f"no feature is called {name!r}; {nearest(name, found)}`bot4 features list` shows all")
    return found[name]


def selected(
    found: Mapping[str, Entry],
    group: str | None = None,
    needs: Sequence[str] = (),
    search: str | None = None,
    kind: Kind | None = None,
) -> list[Entry]:
    """The features of a group, that read all of some bar fields, that contain a text, of a kind: all that is asked for.

    Parameters
    ----------
    search
        Looked for in name, formula, unit and source, whatever its case.

    Raises
    ------
    ConfigError
        If no group or no bar field has that name.

    Examples
    --------
    >>> from features.catalogue import CATALOGUE
    >>> [one.feature.name for one in selected(entries(CATALOGUE), group="breaks", search="dickey")]
    ['sup_adf_96', 'sup_adf_192']
    """
    groups = dict.fromkeys(one.group for one in found.values())
    if group is not None and group not in groups:
        raise ConfigError(f"no group is called {group!r}; there are {', '.join(groups)}")
    for field in needs:
        if field not in FIELDS:
            raise ConfigError(f"bars have no field {field!r}; {nearest(field, FIELDS)}they have {', '.join(FIELDS)}")
    text = (search or "").casefold()
    return [
        one
        for one in found.values()
        if (group is None or one.group == group)
        and one.feature.fields.issuperset(needs)
        and (kind is None or kind in one.kinds)
        and any(text in each.casefold() for each in words(one.feature))
    ]


def words(feature: Feature) -> tuple[str, ...]:
    """What is said of a feature, for searching."""
    return feature.name, feature.meaning, feature.unit, feature.source


def nearest(name: str, known: Mapping[str, Entry] | Sequence[str]) -> str:
    """The beginning of a hint: the known names most like one that is not known, or nothing.

    Examples
    --------
    >>> nearest("RSI_15", ("rsi_14", "volume_z_24"))
    'did you mean rsi_14? '
    """
    spelt = {one.lower(): one for one in known}
    near = [spelt[one] for one in get_close_matches(name.lower(), spelt, n=3)]
    return f"did you mean {', '.join(near)}? " if near else ""
