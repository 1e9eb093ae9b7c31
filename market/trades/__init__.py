"""Trades: their schema, the files that hold them, quality gates, and the lake of them."""
