"""What expensive features cost: measured once, for people to choose by; nothing depends on these numbers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NANOSECONDS: Mapping[str, float] = MappingProxyType(
    {
        "fractional_log_price_64": 37,
        "fractional_log_price_256": 96,
        "fractional_z_64_96": 42,
        "fractional_z_256_384": 96,
        "sign_entropy_96": 17,
        "quantile_entropy_8_96": 48,
        "sign_word_entropy_3_96": 40,
        "quantile_word_entropy_4_2_96": 65,
        "sign_lempel_ziv_96": 420,
        "quantile_lempel_ziv_4_96": 440,
        "sign_kontoyiannis_32_64": 250,
        "quantile_kontoyiannis_4_32_64": 160,
        "csw_rise_96": 170,
        "csw_fall_96": 180,
        "csw_excess_96": 190,
        "csw_rise_384": 660,
        "csw_fall_384": 670,
        "csw_excess_384": 670,
        "sup_adf_96": 1200,
        "sup_adf_192": 2600,
        "regime_turbulent_2": 43,
        "regime_calm_3": 60,
        "regime_turbulent_3": 60,
        "volatility_rank_24_384": 250,
        "volatility_ratio_rank_12_96_384": 260,
    }
)
"""Nanoseconds a bar of a set that has only this feature, on one core of an AMD EPYC virtual machine, the fastest of
repeated replays of 20,000 bars (``python -m benchmarks.features_expensive``). Features that share steps cost less
together: those of one hidden Markov model, or rise, fall and excess of one window, little more than one of them."""
