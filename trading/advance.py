"""One event through trader and simulated exchange: the same compiled function in backtest and on paper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel
from trading.core import BAR, FUNDING, step
from trading.exchange import begin_bar, command, fund, next_fill

Records = NDArray[np.void]


@kernel
def _react(
    core: Records,
    books: Records,
    orders: Records,
    exchange: Records,
    venues: Records,
    resting: Records,
    outbox: Records,
    log: Records,
    at: int,
) -> int:
    """Let the core handle ``log[at]``, the exchange its decisions, the core the answers, until all is quiet."""
    state = exchange[0]
    stop = step(core, books, orders, log, at)
    for row in range(at + 1, stop):
        command(exchange, venues, resting, outbox, log, row)
    while state["head"] < state["tail"]:
        log[stop] = outbox[state["head"]]
        state["head"] += 1
        at = stop
        stop = step(core, books, orders, log, at)
        for row in range(at + 1, stop):
            command(exchange, venues, resting, outbox, log, row)
    state["head"] = 0
    state["tail"] = 0
    return stop


@kernel
def advance(
    core: Records,
    books: Records,
    orders: Records,
    exchange: Records,
    venues: Records,
    resting: Records,
    outbox: Records,
    tape: Records,
    index: int,
    log: Records,
    at: int,
) -> int:
    """Take the event ``tape[index]``; what is fed to the core and what it decides goes to ``log`` from ``at`` on.

    A bar first fills orders (each fill handled by the core before the next), then is seen by the core itself. Funding
    moves the account's cash at the exchange too.

    Returns
    -------
    int
        The first free row of the log.
    """
    event = tape[index]
    if event["kind"] == BAR:
        begin_bar(exchange, venues, event)
        while next_fill(exchange, venues, resting, event, log, at):
            at = _react(core, books, orders, exchange, venues, resting, outbox, log, at)
    elif event["kind"] == FUNDING:
        fund(exchange, venues, event)
    log[at] = event
    return _react(core, books, orders, exchange, venues, resting, outbox, log, at)
