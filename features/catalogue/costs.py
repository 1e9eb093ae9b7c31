"""What expensive features cost: measured once, for people to choose by; nothing depends on these numbers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NANOSECONDS: Mapping[str, float] = MappingProxyType(
    {
        "fractional_log_price_64": 36,
        "fractional_log_price_256": 97,
        "fractional_z_64_96": 45,
        "fractional_z_256_384": 100,
        "sign_entropy_96": 25,
        "quantile_entropy_8_96": 47,
        "sign_word_entropy_3_96": 48,
        "quantile_word_entropy_4_2_96": 61,
        "sign_lempel_ziv_96": 640,
        "quantile_lempel_ziv_4_96": 750,
        "sign_kontoyiannis_32_64": 440,
        "quantile_kontoyiannis_4_32_64": 170,
        "csw_rise_96": 190,
        "csw_fall_96": 190,
        "csw_excess_96": 220,
        "csw_rise_384": 1100,
        "csw_fall_384": 1300,
        "csw_excess_384": 1200,
        "sup_adf_96": 2200,
        "sup_adf_192": 4900,
        "regime_turbulent_2": 50,
        "regime_calm_3": 72,
        "regime_turbulent_3": 68,
        "volatility_rank_24_384": 89,
        "volatility_ratio_rank_12_96_384": 110,
    }
)
"""Nanoseconds a bar of a set that has only this feature, on one core of an AMD EPYC virtual machine, the fastest of
repeated replays of 20,000 bars (``python -m benchmarks.features_expensive``). Features that share steps cost less
together: those of one hidden Markov model, or rise, fall and excess of one window, little more than one of them."""
