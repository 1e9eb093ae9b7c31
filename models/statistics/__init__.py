"""Statistics of predictions and of returns: estimates with their uncertainty, and the price of having chosen.

How sure: `sharpe`, `sharpe_intervals`, `drawdowns`, `strategy`, `strategy_risk`, `capacity`, `predictions`,
`evaluation`. How fooled: `selection`, `trials` (deflation), `pbo` (overfitting), `snooping` (the best of many),
`paired` (one of two). With what: `bootstrap`, `resampling`, `long_run`. Of series: `stationarity`, `fractional`,
`entropy`, `persistence`. Of columns: `columns`, `drift`.
"""
