"""Decimal text to ticks and lots, against `decimal.Decimal`."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.book.grid import Grid, read_pairs, unit_step
from market.errors import InstrumentError, SourceError
from market.instruments import LOT_LIMIT, TICK_LIMIT

GRID = Grid(Decimal("0.01"), Decimal("0.25"))
digits = st.from_regex(r"[0-9]{1,21}(\.[0-9]{0,9})?|\.[0-9]{1,9}", fullmatch=True)
steps = st.sampled_from(["0.01", "0.5", "0.025", "1", "10", "1E+2", "3", "0.00000001", "0.10"]).map(Decimal)


@given(tick=steps, lot=steps, price=digits, quantity=digits)
def test_exact_or_refused_as_decimals_say(tick, lot, price, quantity):
    wanted = []
    for text, step, limit in ((price, tick, TICK_LIMIT), (quantity, lot, LOT_LIMIT)):
        count = Decimal(text) / step
        wanted.append(int(count) if count == int(count) and count <= limit else None)
    if None in wanted:
        with pytest.raises(SourceError, match="quantity" if wanted[0] is not None else "price"):
            Grid(tick, lot).counts([price, quantity])
    else:
        assert Grid(tick, lot).counts([price, quantity]).tolist() == [wanted]


@given(count=st.integers(0, TICK_LIMIT), step=steps, zeros=st.integers(0, 12))
def test_every_count_survives_as_text(count, step, zeros):
    text = format(count * step, "f")
    text = text + ("0" * zeros if "." in text else "." + "0" * zeros)
    assert Grid(step, step).counts([text, text]).tolist() == [[count, count]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not an unsigned decimal number"),
        (".", "is not an unsigned decimal number"),
        ("-1", "is not an unsigned decimal number"),
        ("1e5", "is not an unsigned decimal number"),
        ("1.2.3", "is not an unsigned decimal number"),
        (" 1", "is not an unsigned decimal number"),
        ("NaN", "is not an unsigned decimal number"),
        ("0.001", "is not a whole number of the tick 0.01"),
        ("22517998136852.49", "is above the limit"),
        ("9" * 40, "is above the limit"),
        ("1,2", "has a comma"),
        ("１", "is not plain digits"),
    ],
)
def test_what_is_no_price_is_refused(text, message):
    with pytest.raises(SourceError, match=message):
        GRID.counts(["1", "1", text, "1"])


def test_the_bad_text_is_named():
    with pytest.raises(SourceError, match=r"^quantity '0.1' is not a whole number of the lot 0.25"):
        GRID.counts(["1.00", "0.5", "2.25", "0.1"])


@pytest.mark.parametrize("step", ["0", "-1", "NaN", "Infinity", "0.12345678901234567890", "1E+10"])
def test_steps_that_could_overflow_are_refused(step):
    with pytest.raises(InstrumentError, match="of a book"):
        Grid(Decimal(step), Decimal(1))


def test_interpreted_code_reads_the_same():
    content = np.frombuffer(b"61837.63000000,3.75,0.01,0", np.uint8)
    one, other = np.zeros((2, 2), np.int64), np.zeros((2, 2), np.int64)
    arguments = (content, *unit_step(GRID.tick), *unit_step(GRID.lot))
    plain = getattr(read_pairs, "py_func", read_pairs)
    assert read_pairs(*arguments, one) == plain(*arguments, other) == -1
    assert one.tolist() == other.tolist() == [[6183763, 15], [1, 0]]
