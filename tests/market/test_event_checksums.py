"""The checksum chain: against a plain-integer twin, and against every way to tamper with a tape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.events import EVENT, PAYLOAD, WORDS, Kind, as_words, chained_checksum, first_broken, seal

ZERO = np.uint64(0)
MASK = 2**64 - 1


def tape(count, seed=0):
    """Sealed events of random content."""
    events = np.frombuffer(np.random.default_rng(seed).bytes(count * EVENT.itemsize), EVENT).copy()
    events["seq"] = np.arange(count)
    seal(as_words(events), 0, count, ZERO)
    return events


def twin(events, previous=0):
    """The chain in Python's unbounded integers: splitmix64's steps as published."""
    sums = []
    for row in events.view(np.uint64).reshape(len(events), -1).tolist():
        state = (previous + 0x9E3779B97F4A7C15) & MASK
        for word in row[:-1]:
            state = ((state ^ word) + 0x9E3779B97F4A7C15) & MASK
            state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
            state ^= state >> 31
        sums.append(state)
        previous = state
    return sums


def broken(events, previous=ZERO):
    return first_broken(as_words(events), previous)


def test_the_record_is_sixteen_words_without_holes():
    assert (EVENT.itemsize, WORDS, PAYLOAD) == (128, 16, 10)
    assert sum(EVENT.fields[name][0].itemsize for name in EVENT.names) == EVENT.itemsize


def test_decisions_are_told_from_inputs_by_their_kind():
    decided = {Kind.SUBMIT_ORDER, Kind.CANCEL_ORDER, Kind.ORDER_DENIED, Kind.STATE_DIGEST, Kind.TRADING_STATE}
    assert {kind for kind in Kind if kind >= 32} == decided


def test_the_chain_equals_its_twin():
    events = tape(50)
    assert events["checksum"].tolist() == twin(events)
    words = as_words(events)
    assert int(chained_checksum(words, 7, events["checksum"][6])) == int(events["checksum"][7])


def test_an_untouched_tape_is_whole_from_any_record_on():
    events = tape(40)
    assert broken(events) == -1
    assert broken(events[:0]) == -1
    assert broken(events[17:], events["checksum"][16]) == -1


def test_sealing_in_pieces_is_sealing_at_once():
    events = tape(40)
    again = events.copy()
    again["checksum"] = 0
    words = as_words(again)
    last = seal(words, 0, 13, ZERO)
    assert int(seal(words, 13, 40, np.uint64(last))) == int(events["checksum"][-1])
    assert again.tobytes() == events.tobytes()


def test_every_single_flipped_bit_is_found_at_its_record():
    events = tape(3)
    raw = events.tobytes()
    for bit in range(8 * len(raw)):
        spoiled = bytearray(raw)
        spoiled[bit // 8] ^= 1 << (bit % 8)
        assert broken(np.frombuffer(bytes(spoiled), EVENT).copy()) == bit // 8 // EVENT.itemsize


@given(st.integers(2, 30), st.data())
def test_removed_swapped_repeated_and_foreign_records_are_found(count, data):
    events = tape(count, seed=count)
    row = data.draw(st.integers(0, count - 2))
    other = data.draw(st.integers(row + 1, count - 1))
    assert broken(np.delete(events, row)) == row
    assert broken(np.insert(events, row + 1, events[row])) == row + 1
    swapped = events.copy()
    swapped[[row, other]] = swapped[[other, row]]
    assert broken(swapped) == row
    foreign = events.copy()
    foreign[other] = tape(count, seed=count + 100)[other]
    assert broken(foreign) == other


def test_resealing_one_record_does_not_hide_a_change():
    events = tape(10)
    events["p0"][4] += 1
    words = as_words(events)
    events["checksum"][4] = chained_checksum(words, 4, events["checksum"][3])
    assert broken(events) == 5


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_events_are_words_over_the_same_memory(count):
    events = np.zeros(count, EVENT)
    as_words(events)[:, 4] = 9
    assert (events["p0"] == 9).all()
    assert as_words(events).shape == (count, WORDS)
