"""The manifest: everything deterministic about a bundle, as canonical JSON. Its hash is the bundle's identity."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import msgspec

from market.time import DAY, format_interval
from models.bundle.combination import Calibration, Conformal, Meta, Pool
from models.bundle.errors import DamagedBundle, IncompatibleBundle
from models.bundle.instruments import Indicators

FORMAT = 2
"""2: the graph says prediction sets, if ``conformal`` is there; bundles of format 1 have the threshold alone."""


class FeatureList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The feature set: names in order, the bars' interval (ns), the largest gap in bars, and its digest.

    ``bars``: what the lake calls the bars' series, if their interval is 0: they follow no clock. ``events``: the
    feature at whose bars alone, where it is not 0, decisions are made.
    ``fitted``: what features were fitted to. ``plugins``: the modules of the files that features of one's own come
    from; the files are in the bundle. ``instruments``: the symbols whose columns stand behind the features in a row,
    where the model tells instruments apart; empty where it does not.
    """

    names: tuple[str, ...]
    interval: int
    max_gap: int
    digest: str
    fitted: dict[str, tuple[float, ...]] = {}
    plugins: tuple[str, ...] = ()
    bars: str = ""
    events: str = ""
    instruments: tuple[str, ...] = ()

    @property
    def indicators(self) -> Indicators:
        """The columns that say which instrument a row is of."""
        return Indicators(self.instruments)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns of a row, as the graph reads it."""
        return (*self.names, *self.indicators.names)

    @property
    def bars_name(self) -> str:
        """What the lake calls the bars' series: ``15m``, or what ends a bar."""
        return self.bars or format_interval(self.interval)


class StateTensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recurrent tensor of the graph, by its name there."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class MemberInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member: its name in the order of the graph's output, and its recurrent state."""

    name: str
    state: tuple[StateTensor, ...] = ()


class Payoff(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a trade on a prediction pays: barriers of ``barrier_multiple`` expected moves, at most ``horizon`` bars.

    ``expected_move_ratio``: mean absolute log return at the exit, over volatility times the root of the horizon.
    ``lengths``: of bars that follow no clock, how long each instrument's lasted in training, ns on average.
    """

    barrier_multiple: float
    horizon: int
    expected_move_ratio: float
    lengths: tuple[int, ...] = ()

    def moves(self, volatility: float) -> tuple[float, float]:
        """The expected move at the exit and the barriers' distance, as log returns, at a volatility per bar.

        Examples
        --------
        >>> Payoff(barrier_multiple=1.5, horizon=16, expected_move_ratio=0.5).moves(0.01)
        (0.02, 0.06)
        """
        scale = volatility * math.sqrt(self.horizon)
        return self.expected_move_ratio * scale, self.barrier_multiple * scale

    def clock(self, number: int, interval: int) -> tuple[int, float]:
        """How long an instrument's signals hold (ns), and what turns its volatility per bar into the core's.

        The core takes volatility per ``interval``, or, where bars follow no clock (0), per day.

        Examples
        --------
        >>> Payoff(1.5, 16, 0.5).clock(0, 60)
        (60, 1.0)
        >>> Payoff(1.5, 16, 0.5, lengths=(DAY // 4,)).clock(0, 0) == (DAY // 4, 2.0)
        True
        """
        return (interval, 1.0) if interval else (self.lengths[number], math.sqrt(DAY / self.lengths[number]))


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model was trained on. Times in nanoseconds UTC; ``fingerprints`` of each series' bars by symbol.

    ``trained_through``: the latest time that anything in the bundle has seen, labels included. ``trials``:
    configurations that were tried to find this one.
    """

    fingerprints: dict[str, str]
    start: int
    trained_through: int
    rows: int
    effective_rows: float
    config_digest: str
    seed: int
    trials: int = 1


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state at the end of an instrument's data: the last bar's end (ns), and the files that hold it."""

    end: int
    engine: str
    graph: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """See the module. Mappings are written in sorted order; a float that is not finite is written as null.

    ``instruments``: exact dictionaries of `market.instruments.Instrument`. ``label``: the label's configuration.
    ``volatility``: the feature that scales barriers and sizes. ``statistics``: by member and for the ensemble.
    ``meta``: the second stage; bundles without one do not have the key.
    ``certificate``: the summary of `models.certificate.Certificate`. ``snapshots`` (by symbol) and ``files``
    (SHA-256 by path) are filled in when the bundle is written.
    """

    name: str
    features: FeatureList
    instruments: tuple[dict[str, Any], ...]
    label: dict[str, Any]
    volatility: str
    payoff: Payoff
    members: tuple[MemberInfo, ...]
    burn_in: int
    training: Training
    certificate: dict[str, Any]
    pool: Pool | None = None
    calibration: Calibration | None = None
    conformal: Conformal | None = None
    meta: Meta | msgspec.UnsetType = msgspec.UNSET
    statistics: dict[str, Any] = {}
    snapshots: dict[str, Snapshot] = {}
    files: dict[str, str] = {}
    format: int = FORMAT


class _Format(msgspec.Struct):
    format: int


def to_bytes(manifest: Manifest) -> bytes:
    """The canonical bytes: the same manifest gives the same bytes."""
    return msgspec.json.encode(manifest, order="deterministic")


def from_bytes(content: bytes) -> Manifest:
    """Read canonical bytes back.

    Raises
    ------
    IncompatibleBundle
        If the format is newer than this installation's.
    DamagedBundle
        If the bytes are not a canonical manifest.
    """
    try:
        found = msgspec.json.decode(content, type=_Format).format
        if found > FORMAT:
            raise IncompatibleBundle(
                f"manifest.json has format {found}, this installation reads up to {FORMAT}: upgrade it"
            )
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise DamagedBundle(f"manifest.json cannot be read: {error}") from error
    if to_bytes(manifest) != content:
        raise DamagedBundle("manifest.json is not written canonically; it was edited by hand: write the bundle anew")
    return manifest


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
