"""The status block: what is written is read whole, requests arrive once, and absence is said clearly."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from market.events import Control
from serving.errors import StatusError
from serving.status import StatusBlock, is_alive, read_status, request


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    block = StatusBlock(tmp_path / "x.status")
    block.write(bars=3, equity=-7, trading_state=1)
    status = read_status(tmp_path / "x.status")
    assert (status["bars"], status["equity"], status["trading_state"], status["pid"]) == (3, -7, 1, os.getpid())
    assert status["heartbeat"] >= status["started"] > 0
    assert is_alive(status)


def test_a_request_is_obeyed_once_and_a_later_one_again(tmp_path: Path) -> None:
    block = StatusBlock(tmp_path / "x.status")
    assert block.take_requests() == []
    asked = request(tmp_path / "x.status", Control.HALT)
    assert block.take_requests() == [Control.HALT]
    assert read_status(tmp_path / "x.status")["obeyed"] == 0
    block.obey()
    assert read_status(tmp_path / "x.status")["obeyed"] == asked
    assert block.take_requests() == []
    request(tmp_path / "x.status", Control.HALT)
    assert block.take_requests() == [Control.HALT]


def test_no_request_hides_another(tmp_path: Path) -> None:
    block = StatusBlock(tmp_path / "x.status")
    for control in (Control.RESUME, Control.HALT, Control.REDUCE):
        request(tmp_path / "x.status", control)
    assert block.take_requests() == [Control.RESUME, Control.HALT, Control.REDUCE]
    request(tmp_path / "x.status", Control.HALT)
    request(tmp_path / "x.status", Control.RESUME)
    assert block.take_requests() == [Control.HALT, Control.RESUME]


def test_a_closed_block_is_not_alive(tmp_path: Path) -> None:
    block = StatusBlock(tmp_path / "x.status")
    block.close()
    assert not is_alive(read_status(tmp_path / "x.status"))


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StatusError, match="start `bot4 serve` first"):
        read_status(tmp_path / "none.status")
    foreign = tmp_path / "foreign.status"
    foreign.write_bytes(bytes(256))
    with pytest.raises(StatusError, match="not a status block"):
        request(foreign, Control.HALT)


def test_a_block_is_never_seen_half_made(tmp_path: Path) -> None:
    path = tmp_path / "x.status"
    StatusBlock(path).write(bars=7)
    old = read_status(path)
    done = threading.Event()

    def restart() -> None:
        for _ in range(300):
            StatusBlock(path)
        done.set()

    writer = threading.Thread(target=restart)
    writer.start()
    while not done.is_set():
        assert read_status(path)["pid"] == os.getpid()
    writer.join()
    assert old["bars"] == 7
    assert [one.name for one in tmp_path.iterdir()] == ["x.status"]
