"""One searched key: what values it may take, and why some keys are not for searching."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args, get_type_hints

import msgspec

from pipelines.errors import ConfigError
from pipelines.members import member_factory

if TYPE_CHECKING:
    from pipelines.config import RunConfig
    from pipelines.tuning.config import TuningConfig

Plain = bool | int | float | str | None
TRADED = "decides how a model is traded and nothing about its loss; it can be searched where turnover is an objective"
OTHER_ROWS = "decides on which decisions trials are judged, and losses over other decisions cannot be compared"
REFUSED = {
    "name": "names the model and changes nothing",
    "seed": "is the draw of chance: the best of many seeds is luck by construction",
    "data": OTHER_ROWS,
    "labels": "decides what is predicted, and losses of other questions cannot be compared",
    "validation": OTHER_ROWS,
    "ensemble.burn_in": OTHER_ROWS,
    "ensemble.coverage": "is what prediction sets promise and changes no loss",
    "ensemble.one_sided": "decides when a model trades and nothing about its loss",
    "exchange": "is the world a strategy is tried in; the cheapest world is always the best",
    "laboratory": "says how a run is examined and changes no trial",
    "features.volatility": "scales the labels, and losses of other questions cannot be compared",
    "features.events": "decides when is decided, and losses over other decisions cannot be compared",
    "features.files": "names files that are run; list them in the training and search features.names",
    "trading.capital": "is what there is to trade with, not a choice of the model",
}
"""Keys and tables of a training that are not for searching, and why."""
ALLOWED = ("validation.tail",)
"""Keys in refused tables that may be searched all the same."""


class Range(msgspec.Struct, frozen=True, tag="range"):
    """A searched number, from ``low`` to ``high``.

    ``kind``: its type. ``step``: of a grid from ``low`` on; None for none. ``log``: even in the logarithm.
    """

    key: str
    kind: Literal["int", "float"]
    low: int | float
    high: int | float
    step: int | float | None = None
    log: bool = False

    @property
    def corners(self) -> tuple[Any, ...]:
        """The values whose acceptance says that all are: the ends."""
        return (self.low, self.high)

    def given(self, kept: Any) -> Any:
        """A value as the training has it, of what Optuna keeps."""
        return kept

    def suggest(self, trial: Any) -> Any:
        """The key's value in an ``optuna.Trial``."""
        if self.kind == "int":
            step = 1 if self.step is None else self.step
            return trial.suggest_int(self.key, self.low, self.high, step=step, log=self.log)
        return trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log)

    def holds(self, value: Any) -> bool:
        """Whether a value could be suggested.

        Examples
        --------
        >>> depth = Range("members.xgboost.depth", "int", 2, 8, step=2)
        >>> depth.holds(4), depth.holds(5), depth.holds(10)
        (True, False, False)
        """
        if not isinstance(value, int | float) or isinstance(value, bool) or not self.low <= value <= self.high:
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-9

    def text(self) -> str:
        """The key's values for reading.

        Examples
        --------
        >>> Range("members.linear.clip", "float", 2.0, 8.0, log=True).text()
        '2 to 8, logarithmic'
        """
        step = "" if self.step is None else f" in steps of {self.step:g}"
        return f"{self.low:g} to {self.high:g}{step}{', logarithmic' if self.log else ''}"


class Choice(msgspec.Struct, frozen=True, tag="choice"):
    """A searched key that has one of ``values``; methods as those of `Range`."""

    key: str
    values: tuple[Any, ...]

    @property
    def corners(self) -> tuple[Any, ...]:
        """The values whose acceptance says that all are: each of them."""
        return self.values

    @property
    def choices(self) -> tuple[Plain, ...]:
        """The values as Optuna stores them: plain ones, anything else as its JSON."""
        return tuple(stored(one) for one in self.values)

    def given(self, kept: Any) -> Any:
        """A value as the training has it, of what Optuna keeps."""
        return self.values[self.choices.index(kept)]

    def suggest(self, trial: Any) -> Any:
        """The key's value in an ``optuna.Trial``."""
        return self.given(trial.suggest_categorical(self.key, self.choices))

    def holds(self, value: Any) -> bool:
        """Whether a value could be suggested."""
        return stored(value) in self.choices

    def text(self) -> str:
        """The key's values for reading.

        Examples
        --------
        >>> Choice("features.exclude", ([], ["rsi_14"])).text()
        '[], ["rsi_14"]'
        """
        return ", ".join(spelt(one) for one in self.values)


Dimension: TypeAlias = Range | Choice
"""A searched key."""


def stored(value: Any) -> Plain:
    """A value as Optuna's storage keeps it."""
    return value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value)


def spelt(value: Any) -> str:
    """A value as TOML spells it."""
    return json.dumps(value, ensure_ascii=False)


def dimension(key: str, table: Mapping[str, Any], base: RunConfig, tuning: TuningConfig, source: str) -> Dimension:
    """One key of a space, with the type that the training's configuration gives it.

    Raises
    ------
    ConfigError
        If there is no such key, it is not for searching, or its table is none.
    """
    wanted = key_type(key, base, source)
    check_searchable(key, tuning, source)
    where = f"{source}: space.{key}"
    strange = [name for name in table if name not in ("low", "high", "step", "log", "values")]
    if strange:
        near = difflib.get_close_matches(strange[0], ("low", "high", "step", "log", "values"), n=1)
        hint = f"; did you mean {near[0]}?" if near else "; known are low, high, step, log and values"
        raise ConfigError(f"{where} has {strange[0]!r}, which is none of its keys{hint}")
    if "values" in table:
        return _choice(key, table, where)
    return _range(key, table, wanted, where)


def _choice(key: str, table: Mapping[str, Any], where: str) -> Choice:
    values = table["values"]
    if len(table) > 1:
        raise ConfigError(f"{where} has values and {', '.join(one for one in table if one != 'values')}; give either")
    if not isinstance(values, list) or len({stored(one) for one in values}) < max(len(values), 2):
        raise ConfigError(f"{where}.values is {spelt(values)}; list at least two, each once")
    return Choice(key, tuple(values))


def _range(key: str, table: Mapping[str, Any], wanted: Any, where: str) -> Range:
    kinds = {one for one in (int, float) if one is wanted or one in get_args(wanted)}
    if not kinds:
        raise ConfigError(f"{where} is not a number, so it has no low and high; list what it may be: values = […]")
    whole = float not in kinds
    low, high = _number(table, "low", whole, where), _number(table, "high", whole, where)
    step = None if table.get("step") is None else _number(table, "step", whole, where)
    log = table.get("log")
    if not low < high:
        raise ConfigError(f"{where} goes from {low} to {high}; high must be above low")
    if log not in (None, True, False):
        raise ConfigError(f"{where}.log is {spelt(log)}; it must be true or false")
    if log and (low <= 0 or step is not None):
        why = "low must be above 0" if step is None else "steps are even, so leave out step or log"
        raise ConfigError(f"{where} is logarithmic from {low}: {why}")
    if step is not None and not 0 < step <= high - low:
        raise ConfigError(f"{where}.step is {step}; it must be above 0 and fit between {low} and {high}")
    return Range(key, "int" if whole else "float", low, high, step, bool(log))


def _number(table: Mapping[str, Any], name: str, whole: bool, where: str) -> int | float:
    """One number of a range: an int where only whole ones may be, else a float."""
    value = table.get(name)
    kinds = int if whole else int | float
    if not isinstance(value, kinds) or isinstance(value, bool) or not math.isfinite(value):
        raise ConfigError(f"{where}.{name} is {spelt(value)}; it must be {'a whole number' if whole else 'a number'}")
    return value if whole else float(value)


def key_type(key: str, base: RunConfig, source: str) -> Any:
    """The type of a dotted key of a training's configuration.

    Raises
    ------
    ConfigError
        If there is no such key; the nearest ones are named.
    """
    types = dict(key_types(base, source))
    if key in types:
        return types[key]
    near = difflib.get_close_matches(key, types, n=3)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "its keys are those of a training, such as " + next(one for one in types if one.startswith("members."))
    )
    raise ConfigError(f"{source}: space has {key!r}, which a training does not have; {hint}")


def key_types(base: RunConfig, source: str) -> Iterator[tuple[str, Any]]:
    """Every dotted key of a training's configuration, those of its members included, and its type."""
    for name, kind in _leaves(type(base), ""):
        if name != "members":
            yield name, kind
    for member in base.members:
        config = get_type_hints(member_factory(member, source))["config"]
        yield from _leaves(config, f"members.{member}.")


def _leaves(struct: type, prefix: str) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _leaves(field.type, f"{prefix}{field.encode_name}.")
        else:
            yield f"{prefix}{field.encode_name}", field.type


def check_searchable(key: str, tuning: TuningConfig, source: str) -> None:
    """Refuse a key that is not for searching.

    Raises
    ------
    ConfigError
        With the reason.
    """
    from pipelines.results import ENSEMBLE

    parts = key.split(".")
    prefixes = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    reason = None if key in ALLOWED else next((REFUSED[one] for one in prefixes if one in REFUSED), None)
    if reason is None and parts[0] == "trading" and "turnover" not in tuning.objectives:
        reason = TRADED
    if reason is None and parts[:1] == ["members"] and tuning.predictor not in (ENSEMBLE, parts[1]):
        reason = f"changes nothing about {tuning.predictor}, which tuning.predictor names"
    if reason is None and parts[0] == "ensemble" and tuning.predictor != ENSEMBLE:
        reason = f"changes nothing about {tuning.predictor}, which tuning.predictor names"
    if reason is not None:
        raise ConfigError(f"{source}: space.{key} is not for searching: it {reason}")
