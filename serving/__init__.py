"""Serving: a verified bundle inside the trading loop, without any training library."""
