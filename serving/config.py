"""The configuration of a live process: which model, which bars, under which limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from market.time import parse_interval, parse_time
from market.universe import Listing, Universe
from models.bundle.names import unknown_alias
from trading.config import ExchangeConfig, TradingConfig


class ModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bundle to serve: a name and an alias (or version) in the model store, or a bundle's folder."""

    name: str = ""
    alias: str = "champion"
    folder: str = ""

    def __post_init__(self) -> None:
        if bool(self.name) == bool(self.folder):
            raise ValueError("model needs either a name (with an alias) in the store, or the folder of a bundle")
        if not self.alias.isdecimal() and (problem := unknown_alias(self.alias)):
            raise ValueError(f"model.alias: {problem}")


class SourceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where bars come from: a stretch of the lake, replayed at ``speed`` times real time (0: as fast as it goes).

    Bars before ``start`` (by default: where the bundle's own data ended) are not traded on; they bring the
    features' and the model's state up to date. ``grace``: where features read several instruments, how long after its
    end a step waits for the bars that are missing; one that comes later is dropped and counted as missing.

    ``universe`` names a table of listings beside the configuration, by which each instrument is followed through its
    renames, in the unit that it was trained in; once read, the table is gone and ``listings`` has its content.
    """

    kind: Literal["lake"] = "lake"
    venue: str = "binance"
    start: str | None = None
    stop: str | None = None
    speed: float = 0.0
    grace: str = "2s"
    universe: str | None = None
    listings: tuple[Listing, ...] = ()

    def __post_init__(self) -> None:
        for text in (self.start, self.stop):
            if text is not None:
                parse_time(text)
        parse_interval(self.grace)
        if self.speed < 0:
            raise ValueError(f"source.speed is {self.speed}; it is 0 (as fast as possible) or a positive factor")

    def known_listings(self, symbols: Iterable[str]) -> Universe:
        """The listings; without any, each symbol is an instrument by itself all the time."""
        return Universe(self.listings) if self.listings else Universe.of_symbols(symbols)


class ServeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One live process on paper: its journal, status block and scores carry ``name``.

    ``start_active``: a new session trades from its first bar; otherwise it stays HALTED until ``bot4 resume``.
    """

    name: str
    model: ModelConfig
    source: SourceConfig = SourceConfig()
    trading: TradingConfig = TradingConfig()
    exchange: ExchangeConfig = ExchangeConfig()
    start_active: bool = True
