"""The lake of trades in an object store: the files of a folder, and its refusals."""

from __future__ import annotations

import numpy as np
import pytest
from bar_twins import random_trades
from market_bars import tree
from test_lake_object import bucket, objects  # noqa: F401 - bucket is a fixture

from market.bar_builders.builder import build_bars
from market.bar_builders.names import parse_spec
from market.errors import LakeError
from market.lake import Lake, Source
from market.trades.bars import bars_key, build_from_lake
from market.trades.lake import TradeLake, trade_key

KEY = trade_key("venue", "BTCUSDT")


def test_an_object_store_holds_what_a_folder_does(bucket, tmp_path):  # noqa: F811
    trades, source = random_trades(3000, 1), Source("file.zip", "a" * 64)
    trades["time"] += np.arange(3000) * 60_000_000_000
    far, near = TradeLake(f"s3://{bucket}/trades"), TradeLake(tmp_path)
    for part in (trades[1500:], trades[:1800]):
        assert far.write(KEY, part, source=source) == near.write(KEY, part, source=source)
    stored = objects(far)
    assert stored == tree(tmp_path)
    assert far.read(KEY).tobytes() == trades.tobytes()
    for verify in (True, False):
        assert far.scan(KEY, verify=verify).collect().equals(near.scan(KEY).collect())
    assert far.list() == near.list()
    assert Lake(far.root).list() == []
    other = trades[5:6].copy()
    other["price"] += 1
    with pytest.raises(LakeError, match=r"is stored as .* and would now be"):
        far.write(KEY, other)
    assert objects(far) == stored


def test_bars_are_built_and_gone_on_with_there_too(bucket, tmp_path):  # noqa: F811
    trades, spec = random_trades(3000, 1), parse_spec("dollar-500")
    far, near = Lake(f"s3://{bucket}/bars"), Lake(tmp_path)
    for part in (trades[:1000], trades[1000:]):
        for lake in (far, near):
            TradeLake(lake.root).write(KEY, part)
        assert build_from_lake(far, KEY, spec) == build_from_lake(near, KEY, spec)
    assert far.read(bars_key(KEY, spec)).tobytes() == build_bars(trades, spec).tobytes()
    assert objects(far) == tree(tmp_path)
