"""Bars from trades: compiled incremental builders, the same in research and live (López de Prado 2018, ch. 2)."""
