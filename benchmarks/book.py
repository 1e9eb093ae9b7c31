"""Order book: replay of a stream of changes beside a book of plain dictionaries, and aggregates per bar.

The stream is random, of the size of a real one: 20 levels a change, 2,000 levels a side. Where the shared recordings
are there (``BOT4_REAL_DATA``), reading a recording's text is priced too, beside the JSON module and `decimal`.
"""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks.harness import Result, compare
from market.book.aggregates import BookAggregates
from market.book.binance import BinanceParser
from market.book.grid import Grid
from market.book.order_book import OrderBook
from market.book.recordings import lines_of
from market.book.tape import CHANGE, SNAPSHOT, Tape
from market.time import SECOND

CHANGES, LEVELS, DEPTH = 20_000, 20, 2_000
GRID = Grid(Decimal("0.01"), Decimal("0.00001"))


def random_tape() -> Tape:
    """A snapshot and changes around a mid that stands still, so that both books stay as they are in size."""
    random = np.random.default_rng(1)
    places = np.arange(1, DEPTH + 1)
    book = [np.stack([np.full(DEPTH, s), 100_000 - s * places, random.integers(1, 10**6, DEPTH)], 1) for s in (1, -1)]
    count = CHANGES * LEVELS
    sides = random.choice([1, -1], count)
    distance = np.minimum(random.geometric(0.02, count), DEPTH)
    lots = np.where(random.random(count) < 0.3, 0, random.integers(1, 10**6, count))
    levels = np.concatenate([*book, np.stack([sides, 100_000 - sides * distance, lots], 1)]).astype(np.int64)
    messages = np.zeros((CHANGES + 1, 8), np.int64)
    messages[0] = SNAPSHOT, SECOND, SECOND, 0, 0, 0, 0, 2 * DEPTH
    number = np.arange(1, CHANGES + 1)
    messages[1:, 0] = CHANGE
    messages[1:, 1] = messages[1:, 2] = SECOND + number * SECOND // 10
    messages[1:, 3] = messages[1:, 4] = number
    messages[1:, 5] = -1
    messages[1:, 6] = 2 * DEPTH + (number - 1) * LEVELS
    messages[1:, 7] = messages[1:, 6] + LEVELS
    return Tape(messages, levels)


def dictionaries(messages: list[list[int]], levels: list[list[int]]) -> None:
    """The same book as two dictionaries of Python, which know no order; the best is looked for once a second."""
    books: dict[int, dict[int, int]] = {1: {}, -1: {}}
    for number, message in enumerate(messages):
        for side, ticks, lots in levels[message[6] : message[7]]:
            if lots:
                books[side][ticks] = lots
            else:
                books[side].pop(ticks, None)
        if number % 10 == 0 and books[1]:
            max(books[1]), min(books[-1])


def plain_reading(lines: list[bytes]) -> None:
    """Every price and quantity as a `Decimal`."""
    for line in lines:
        message = json.loads(line.split(b" ", 1)[1])
        data = message.get("data", message)
        for side in (data.get("b"), data.get("a"), data.get("bids"), data.get("asks")):
            if isinstance(side, list):
                [(Decimal(price), Decimal(quantity)) for price, quantity in side]
        [Decimal(data[name]) for name in ("b", "B", "a", "A", "p", "q") if isinstance(data.get(name), str)]


def run() -> list[Result]:
    """All comparisons."""
    tape = random_tape()
    messages, levels = tape.messages.tolist(), tape.levels.tolist()
    changed = CHANGES * LEVELS
    results = [
        compare(
            f"order book, changes of {LEVELS} levels",
            "level",
            lambda: OrderBook().take(tape),
            "two dictionaries",
            lambda: dictionaries(messages, levels),
            changed,
        ),
        compare(
            "book, flows and bars of a second",
            "change",
            lambda: BookAggregates(GRID, SECOND).update(tape),
            "two dictionaries, no bars",
            lambda: dictionaries(messages, levels),
            CHANGES,
        ),
    ]
    path = Path(os.environ.get("BOT4_REAL_DATA", "../shared/data")) / "book/binance-spot-BTCUSDT-ws-20240808.jsonl.gz"
    if path.is_file():
        lines = list(lines_of(path))
        fine = Grid(Decimal("0.01"), Decimal("1e-8"))
        results.append(
            compare(
                "reading a recording into ticks and lots",
                "message",
                lambda: BinanceParser(fine).read(lines),
                "json and decimal",
                lambda: plain_reading(lines),
                len(lines),
                repetitions=3,
            )
        )
    return results
