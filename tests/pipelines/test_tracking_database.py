"""MLflow's SQLite file: broken off while it is made, it is made the next time."""

from __future__ import annotations

import mlflow.store.db.utils as made_by_mlflow
import pytest

from pipelines.tracking import tracker
from pipelines.tracking.database import make_database
from pipelines.tracking.tracker import mlflow_client

pytestmark = pytest.mark.xdist_group("mlflow")


class KilledError(Exception):
    """Stands for a kill: nothing behind it is done."""


def test_a_kill_between_two_migrations_leaves_nothing_that_cannot_be_gone_on_with(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setattr(tracker, "make_database", make_database)  # migrated, not copied as in other tests

    def broken_off(engine):
        made_by_mlflow.InitialBase.metadata.create_all(engine)
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(made_by_mlflow, "_initialize_tables", broken_off)
        with pytest.raises(KilledError):
            mlflow_client(uri)
    assert [path.name for path in tmp_path.iterdir()] == [".mlflow.db-made"]
    client = mlflow_client(uri)
    assert [one.name for one in client.search_experiments()] == ["Default"]
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
    client.create_experiment("kept")
    assert {one.name for one in mlflow_client(uri).search_experiments()} == {"Default", "kept"}
