"""A book of plain dictionaries, written from the venue's documentation and not from the code under test."""

from __future__ import annotations

import numpy as np

from market.book.tape import TapeWriter


class DictBook:
    """Bids and asks as {ticks: lots}; ``valid`` is false until a snapshot and after a gap."""

    def __init__(self, futures):
        self.futures, self.valid, self.joined, self.update = futures, False, False, -1
        self.bids, self.asks, self.waiting = {}, {}, []

    def take(self, message, levels):
        kind, _, _, first, last, before, begin, stop = (int(one) for one in message)
        rows = [tuple(int(one) for one in row) for row in levels[begin:stop]]
        if kind == 1 and not (self.valid and last < self.update):
            self.bids = {ticks: lots for side, ticks, lots in rows if side == 1}
            self.asks = {ticks: lots for side, ticks, lots in rows if side == -1}
            self.update, self.valid, self.joined = last, True, False
            waiting, self.waiting = self.waiting, []
            for number, one in enumerate(waiting):
                self.change(*one)
                if not self.valid:
                    self.waiting = waiting[number:]
                    break
        elif kind == 2:
            self.change(first, last, before, rows)
        elif kind == 5:
            self.valid, self.waiting = False, []

    def change(self, first, last, before, rows):
        if not self.valid:
            self.waiting.append((first, last, before, rows))
            return
        if self.futures:
            old = last <= self.update if self.joined else last < self.update
            fits = before == self.update or (not self.joined and first <= self.update <= last)
        else:
            old = last <= self.update
            fits = first == self.update + 1 if self.joined else first <= self.update + 1
        if old:
            return
        if not fits:
            self.valid = False
            self.waiting = [(first, last, before, rows)]
            return
        for side, ticks, lots in rows:
            levels = self.bids if side == 1 else self.asks
            levels.pop(ticks, None)
            if lots:
                levels[ticks] = lots
        self.update, self.joined = last, True

    def sides(self):
        """Bids and asks as (n, 2) ticks and lots, best first."""
        bids = sorted(self.bids.items(), reverse=True)
        return [np.array(side, np.int64).reshape(len(side), 2) for side in (bids, sorted(self.asks.items()))]


class Venue:
    """A venue with a whole book that only it knows: it deals changes, true quotes and cut-off snapshots."""

    def __init__(self, seed, width=60):
        self.random = np.random.default_rng(seed)
        self.mid, self.width, self.id = 1_000, width, 100
        self.bids = {1_000 - k: int(self.random.integers(1, 50)) for k in range(1, width)}
        self.asks = {1_000 + k: int(self.random.integers(1, 50)) for k in range(1, width)}

    def step(self):
        """One change at a time; gives its rows as (side, ticks, lots) and moves the update id."""
        self.mid += int(self.random.integers(-2, 3))
        rows = [(1, ticks, 0) for ticks in self.bids if ticks >= self.mid]
        rows += [(-1, ticks, 0) for ticks in self.asks if ticks <= self.mid]
        for _ in range(int(self.random.integers(1, 6))):
            side = int(self.random.choice([1, -1]))
            ticks = self.mid - side * int(self.random.geometric(0.15))
            rows.append((side, ticks, int(self.random.integers(0, 50))))
        for side, ticks, lots in rows:
            levels = self.bids if side == 1 else self.asks
            levels.pop(ticks, None)
            if lots:
                levels[ticks] = lots
        first, self.id = self.id + 1, self.id + int(self.random.integers(1, 4))
        return first, self.id, rows

    def best(self):
        """Best bid and ask as ticks and lots; (0, 0) where there is none."""
        bid, ask = max(self.bids, default=0), min(self.asks, default=0)
        return (bid, self.bids.get(bid, 0)), (ask, self.asks.get(ask, 0))

    def sides(self, most=None):
        bids, asks = sorted(self.bids.items(), reverse=True), sorted(self.asks.items())
        return bids[:most], asks[:most]


def texts(pairs):
    return [(str(ticks), str(lots)) for ticks, lots in pairs]


def write_change(writer, ids, rows, time=0):
    sides = [[(ticks, lots) for side, ticks, lots in rows if side == sign] for sign in (1, -1)]
    writer.change(time, time, ids, texts(sides[0]), texts(sides[1]))


def write_snapshot(writer, update, sides, cut, time=0):
    writer.snapshot(time, time, update, texts(sides[0]), texts(sides[1]), (cut, cut))


def write_quote(writer, update, best, time=0):
    writer.quote(time, time, update, *texts(best))


__all__ = ["DictBook", "TapeWriter", "Venue", "write_change", "write_quote", "write_snapshot"]
