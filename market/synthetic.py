r"""A market simulated from stated equations, with a planted edge of known size.

What follows is the whole truth about it, per bar :math:`t` and instrument (independent unless said otherwise).

**Drift.** :math:`x_t = \phi x_{t-1} + \sqrt{1-\phi^2}\,\xi_t`, a stationary AR(1) of unit variance, with
:math:`\phi = 2^{-1/\mathrm{half\_life}}`. With ``common_drift`` :math:`c`, the innovation is
:math:`\sqrt{c}\,\xi^{\mathrm{all}}_t + \sqrt{1-c}\,\xi^{\mathrm{own}}_t`.

**Regime.** :math:`s_t \in \{0, 1\}` (calm, turbulent), a Markov chain that stays with probability
:math:`1 - 1/\mathrm{regime\_bars}_s`.

**Volatility.** Each regime runs a GARCH of its own, fed by the same returns (Haas, Mittnik and Paolella 2004, "A new
approach to Markov-switching GARCH models", section 2); the regime says which one is in force:

.. math:: h_{k,t+1} = \omega_k + \alpha_k r_t^2 + \beta_k h_{k,t}, \quad k = 0, 1, \qquad \sigma_t = \sqrt{h_{s_t,t}}.

So both variances are known to whoever sees the returns; only which of them rules is hidden. (In the older
formulation, one variance whose :math:`\omega` switches, they depend on the whole hidden path of regimes.)

**Return.** :math:`r_t = \sigma_t\,(\kappa x_t + z_t) + J_t`, with :math:`z_t` standard normal, :math:`\kappa` the
``edge``, and compound Poisson jumps :math:`J_t`: N of them, normal, symmetric, with rate ``jump_rate`` and standard
deviation ``jump_size`` (N is cut at 3). Prices are rounded to the tick; :math:`r_t` is the log return of the
rounded closes.

**Order flow.** The score :math:`f_t = a x_t + c z_t + \sqrt{1-a^2-c^2}\,\eta_t` has unit variance, reveals the
drift with correlation :math:`a` (``flow_drift``) and goes along with the return it accompanies (:math:`c`,
``flow_return``). Takers buy the share :math:`(1 + \tanh(\mathrm{flow\_scale} \cdot f_t))/2` of the volume.

**Volume.** :math:`\log V_t` is normal, with mean ``volume_elasticity`` :math:`\cdot \log\sigma_t` above its level:
the one observable that tells of the regime beyond the returns.

**Inside the bar** the price follows a Brownian bridge; every bar opens at the close of the one before. Highs,
lows, vwap and trade counts are drawn from what is observed already and independent noise (`market.synthetic_bars`),
so closes, taker-buy volume and volume are sufficient: nothing else in the bars says anything about the future.

**No direction in volatility.** All equations are unchanged when the signs of :math:`x, z, J, \eta` flip together,
and so is every bar's volume: labels that treat up and down alike have base rate one half, and volatility, volume or
range alone predict nothing about them. In the null twin :math:`\kappa = 0`: the flow is as persistent as before and
still follows returns, but future returns are symmetric whatever has been seen.

The best predictor from the bars is computed in `market.synthetic_optimum`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.errors import MarketError
from market.instruments import Instrument
from market.synthetic_bars import Closes, make_bars
from market.synthetic_config import SyntheticConfig
from market.synthetic_dynamics import FEWEST_TICKS, autoregression, simulate_returns

__all__ = ["Latent", "SyntheticConfig", "SyntheticMarket", "null_twin", "simulate"]

VENUE = "synthetic"


@dataclass(frozen=True, slots=True, eq=False)
class Latent:
    """What no trader sees, of one instrument; arrays of shape (n,).

    ``drift`` is x, ``regime`` s, ``volatility`` the sigma in force (log return per bar), ``jump`` J (log return).
    """

    drift: NDArray[np.float64]
    regime: NDArray[np.int64]
    volatility: NDArray[np.float64]
    jump: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticMarket:
    """Bars by symbol on one grid of times, the instruments' rules, and the latent truth, all in one order."""

    config: SyntheticConfig
    bars: dict[str, NDArray[np.void]]
    instruments: tuple[Instrument, ...]
    latent: dict[str, Latent]

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols in the order in which instruments are numbered."""
        return tuple(self.bars)


def simulate(config: SyntheticConfig, seed: int) -> SyntheticMarket:
    """Simulate a market; the same configuration and seed give the same bytes.

    An instrument's noise depends on the seed and its number alone, not on how many instruments there are.

    Raises
    ------
    MarketError
        If a price wanders too close to its tick, or beyond the exact grid.

    Examples
    --------
    >>> market = simulate(SyntheticConfig(instruments=2, bars=100), seed=1)
    >>> market.symbols, market.bars["SYN1USD"].shape
    (('SYN0USD', 'SYN1USD'), (100,))
    """
    shared, *own = np.random.SeedSequence(seed).spawn(config.instruments + 1)
    # One innovation more than bars: the first is the drift before the first bar.
    common = np.random.Generator(np.random.PCG64(shared)).standard_normal(config.bars + 1)
    bars, latent, instruments = {}, {}, []
    for number, sequence in enumerate(own):
        instrument = _instrument(config, number)
        generator = np.random.Generator(np.random.PCG64(sequence))
        bars[instrument.symbol], latent[instrument.symbol] = _simulate_one(config, instrument, common, generator)
        instruments.append(instrument)
    return SyntheticMarket(config, bars, tuple(instruments), latent)


def null_twin(config: SyntheticConfig) -> SyntheticConfig:
    """The same market without its edge: nothing observed is informative about the sign of future returns.

    Examples
    --------
    >>> null_twin(SyntheticConfig(half_life=5.0)).edge
    0.0
    """
    return msgspec.structs.replace(config, edge=0.0)


def _simulate_one(
    config: SyntheticConfig, instrument: Instrument, common: NDArray[np.float64], generator: np.random.Generator
) -> tuple[NDArray[np.void], Latent]:
    count = config.bars
    own, shock, noise = generator.standard_normal((3, count + 1))
    share = config.common_drift
    innovations = np.sqrt(share) * common + np.sqrt(1.0 - share) * own
    drift = autoregression(config.persistence, float(innovations[0]), innovations[1:])
    uniforms, jump_normal = generator.random((count, 2)), generator.standard_normal(count)
    first_regime = int(generator.random() >= config.stationary_regimes[0])
    closes, latent = _recursions(config, instrument, first_regime, drift, shock[1:], jump_normal, uniforms)
    rest = np.sqrt(1.0 - config.flow_drift**2 - config.flow_return**2)
    closes.flow_score[:] = config.flow_drift * drift + config.flow_return * shock[1:] + rest * noise[1:]
    return make_bars(config, closes, generator), latent


def _recursions(
    config: SyntheticConfig,
    instrument: Instrument,
    first_regime: int,
    drift: NDArray[np.float64],
    shock: NDArray[np.float64],
    jump_normal: NDArray[np.float64],
    uniforms: NDArray[np.float64],
) -> tuple[Closes, Latent]:
    count = len(drift)
    ticks, regimes = np.empty(count, np.int64), np.empty(count, np.int64)
    returns, jumps, variances = np.empty(count), np.empty(count), np.empty((count, 2))
    first_ticks = instrument.price_to_ticks(config.price)
    stopped = simulate_returns(
        config.dynamics(), config.first_variances(), first_regime, first_ticks, drift, shock, jump_normal, uniforms,
        ticks, returns, regimes, variances, jumps,
    )  # fmt: skip
    if stopped >= 0:
        raise MarketError(
            f"synthetic market: {instrument.symbol} leaves the range of prices ({FEWEST_TICKS:g} ticks of {config.tick}"
            f" to 2**50) at bar {stopped}: simulate fewer bars, lower the volatility, or set another first price"
        )
    volatility = np.sqrt(variances[np.arange(count), regimes])
    closes = Closes(first_ticks, ticks, variances, regimes, np.empty(count))
    return closes, Latent(drift, regimes, volatility, jumps)


def _instrument(config: SyntheticConfig, number: int) -> Instrument:
    lot = Decimal(config.lot)
    return Instrument(
        symbol=f"SYN{number}USD",
        venue=VENUE,
        kind="perpetual",
        base=f"SYN{number}",
        quote="USD",
        tick=Decimal(config.tick),
        lot=lot,
        min_quantity=lot,
        max_quantity=lot * 10_000_000,
        min_notional=Decimal(5),
        maker_fee=Decimal(config.maker_fee),
        taker_fee=Decimal(config.taker_fee),
    )
