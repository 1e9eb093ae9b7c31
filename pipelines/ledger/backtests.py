"""``bot4 backtest`` looks at data too: each set of limits and costs that a model is traded under is a trial."""

from __future__ import annotations

import getpass
import time
from typing import TYPE_CHECKING

from market.universe import clipped
from market.universe_bars import joined_fingerprint, named_parts
from pipelines.ledger.trial import Stretch, Trial, fresh_id
from pipelines.toml import digest

if TYPE_CHECKING:
    from models.bundle.bundle import Bundle
    from pipelines.workspace import Workspace
    from serving.config import ServeConfig


def backtest_trial(bundle: Bundle, live: ServeConfig, workspace: Workspace, code: str) -> Trial:
    """The trial of trading a bundle over the bars behind its data; it has to be begun before it is looked at.

    Parameters
    ----------
    code
        Digest of the code that is running.

    Raises
    ------
    NotReadyError
        If an instrument has no bars there.
    """
    from serving.start import read_stream, recorded, trade_start

    begin, interval = trade_start(bundle, live), bundle.manifest.features.bars_name
    stream, touched, data = read_stream(bundle, live, workspace.lake), [], {}
    for one in bundle.instruments():
        bars = stream[one.symbol]
        start, stop = max(begin, int(bars["start"][0])), int(bars["end"][-1])
        if start >= stop:
            continue
        spans, unit, read = recorded(bundle, live, workspace.lake, one.symbol)
        parts = named_parts(clipped(spans, start, stop), read)
        touched += [Stretch(live.source.venue, s.symbol, s.start, s.stop or stop, interval, one.base) for s, _ in parts]
        data[one.symbol] = joined_fingerprint(parts, unit)
    return Trial(
        id=fresh_id(),
        created=time.time_ns(),
        person=getpass.getuser(),
        kind="backtest",
        name=bundle.manifest.name,
        configuration=digest([bundle.digest, live.trading, live.exchange]),
        code=code,
        data=data,
        touched=tuple(touched),
    )
