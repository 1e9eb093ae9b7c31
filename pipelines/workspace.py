"""The workspace: one folder with everything a user's runs read and write."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pipelines.postgresql import with_driver


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders below one root: ``$BOT4_WORKSPACE``, else ``./workspace``."""

    root: Path

    @classmethod
    def default(cls) -> Workspace:
        """The workspace of this environment."""
        return cls(Path(os.environ.get("BOT4_WORKSPACE", "workspace")).resolve())

    @property
    def lake(self) -> Path | str:
        """Market data: ``$BOT4_LAKE``, a folder or ``s3://bucket/prefix``, else in the workspace."""
        told = os.environ.get("BOT4_LAKE", "")
        return told if "://" in told else Path(told).resolve() if told else self.root / "lake"

    @property
    def store(self) -> Path:
        """Bundles and aliases: what serving reads."""
        return self.root / "store"

    @property
    def artefacts(self) -> Path:
        """What stages made, by digest; safe to delete."""
        return self.root / "artefacts"

    @property
    def runs(self) -> Path:
        """One folder a run: results, report."""
        return self.root / "runs"

    @property
    def journals(self) -> Path:
        """One folder a trading session."""
        return self.root / "journals"

    @property
    def prefect(self) -> Path:
        """Prefect's local database and results."""
        return self.root / "prefect"

    @property
    def mlflow_uri(self) -> str:
        """The tracking store: ``MLFLOW_TRACKING_URI``, else SQLite in the workspace."""
        return with_driver(os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.root / 'mlflow.db'}")

    @property
    def mlflow_artefacts(self) -> Path:
        """MLflow's artefact folder."""
        return self.root / "mlruns"

    def status(self, name: str) -> Path:
        """The status block of the live process of this name."""
        return self.journals / f"{name}.status"
