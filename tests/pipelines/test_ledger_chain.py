"""The chain names the first row that is not what was appended."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ledger.chain import Head, Row, next_row, parse_head, row_hash, verify_rows
from pipelines.ledger.errors import LedgerError


def chain(length):
    rows, head = [], Head()
    for number in range(length):
        rows.append(next_row(head, f"t{number}", "begun", number, f'{{"n":{number}}}'))
        head = rows[-1].head
    return rows


def rewritten(row, **changes):
    """The row changed, with a hash that fits: what somebody would do who knows how the chain is made."""
    changed = msgspec.structs.replace(row, **changes)
    fields = [getattr(changed, name) for name in ("sequence", "trial", "event", "created", "content", "previous")]
    return msgspec.structs.replace(changed, hash=row_hash(*fields))


def test_a_whole_chain_is_intact():
    found = verify_rows(chain(5))
    assert (found.intact, found.rows, found.broken, found.head) == (True, 5, None, chain(5)[-1].head)
    assert verify_rows([]).intact


@given(st.data())
def test_any_change_of_any_field_is_found_at_its_row(data):
    rows = chain(data.draw(st.integers(1, 6)))
    place = data.draw(st.integers(0, len(rows) - 1))
    field = data.draw(st.sampled_from([one.name for one in msgspec.structs.fields(Row)]))
    value = getattr(rows[place], field)
    other = value + 1 if isinstance(value, int) else value + "0"
    rows[place] = msgspec.structs.replace(rows[place], **{field: other})
    found = verify_rows(rows)
    assert not found.intact
    assert found.broken == rows[place].sequence
    assert str(rows[place].sequence) in found.reason


def test_a_row_written_again_with_its_hash_breaks_the_next():
    rows = chain(4)
    rows[1] = rewritten(rows[1], content="{}")
    found = verify_rows(rows)
    assert found.broken == 3
    assert "row 3 does not continue row 2" in found.reason


def test_a_removed_or_swapped_row_is_found():
    rows = chain(4)
    assert verify_rows([*rows[:1], *rows[2:]]).broken == 3
    assert verify_rows(rows[1:]).broken == 2
    assert verify_rows([rows[1], rows[0], *rows[2:]]).broken == 2


def test_only_a_known_head_shows_that_the_end_was_cut_off():
    rows = chain(4)
    assert verify_rows(rows[:3]).intact
    found = verify_rows(rows[:3], [rows[0].head, rows[3].head])
    assert (found.broken, found.reason[:13]) == (4, "row 4 is gone")
    rows[3] = rewritten(rows[3], content="{}")
    assert verify_rows(rows).intact
    found = verify_rows(rows, [chain(4)[3].head])
    assert found.broken == 4
    assert "was another" in found.reason
    assert verify_rows(chain(6), [one.head for one in chain(4)]).intact


def test_a_chain_made_anew_is_found_by_a_head():
    other = [rewritten(one, trial="x") for one in chain(1)]
    assert verify_rows(other).intact
    assert verify_rows(other, [chain(1)[0].head]).broken == 1


def test_heads_as_text():
    head = chain(3)[-1].head
    assert parse_head(head.text) == head
    for text in ("", "3", "0:" + "a" * 64, "3:abc", "x:" + "a" * 64):
        with pytest.raises(LedgerError, match="is not a row's number and hash"):
            parse_head(text)
