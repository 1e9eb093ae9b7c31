"""A retraining: which run, when, from where new bars come, by which thresholds; and what one of them did."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from models.bundle.files import replace_file
from models.bundle.store import Verdict
from pipelines.arrays_json import read_document
from pipelines.config import RunConfig, load
from pipelines.errors import StageError
from pipelines.gates import GateConfig, load_gates
from pipelines.gates.text import refusal, verdict_markdown, verdict_table
from pipelines.toml import load_toml
from pipelines.update import UpdateConfig
from pipelines.workspace import Workspace

RETRAINING = "retraining.json"


class RetrainingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a run is trained again, and on what; nothing here changes the run's result.

    ``run`` names its configuration and ``gates`` the thresholds, both beside this file. ``schedule``: cron, UTC.
    ``update``: fetch new bars first; without, what is in the lake is what there is.
    """

    run: str
    schedule: str = "0 3 * * *"
    gates: str | None = None
    update: UpdateConfig | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A retraining's files, read; ``folder`` is the run configuration's, ``path`` this one's."""

    path: Path
    about: RetrainingConfig
    config: RunConfig
    folder: Path
    gates: GateConfig


def load_plan(path: Path) -> Plan:
    """Read a retraining's configuration and the files that it names.

    Raises
    ------
    ConfigError
        If one cannot be read, is not TOML, or has an unknown, missing or ill-typed key.
    """
    about = load_toml(path, RetrainingConfig, {})
    run = path.parent / about.run
    gates = load_gates(None if about.gates is None else path.parent / about.gates)
    return Plan(path, about, load(run), run.parent.resolve(), gates)


class Step(msgspec.Struct, frozen=True):
    """One step and what it did, in words."""

    name: str
    said: str


class Retraining(msgspec.Struct, frozen=True, kw_only=True):
    """What a retraining did: its steps, the version that its run registered, and what a champion's gates say of it.

    ``challenger``: the version that was @challenger behind it, 0 for none; None in those of before it was kept.
    ``repeated``: the same had been done before, so that nothing was done now.
    """

    name: str
    run_id: str
    version: int
    digest: str
    steps: tuple[Step, ...]
    verdicts: tuple[Verdict, ...]
    challenger: int | None = None
    repeated: bool = False

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        model = f"{self.name} version {self.version}"
        if self.repeated:
            return f"Nothing is done: run {self.run_id} has seen the same data with the same configuration and code."
        if self.challenger in (None, self.version):
            model += " is @challenger and"
        else:
            model += f" is not @challenger, which is {f'version {self.challenger}' if self.challenger else 'none'}, and"
        failed = refusal(self.verdicts)
        if failed:
            return f"{model} does not pass the champion's gates: {failed}."
        command = f"bot4 models promote {self.name} {self.version} --to champion"
        return f"{model} passes the champion's gates: `{command}` decides."

    @property
    def text(self) -> str:
        """For a terminal."""
        width = max(len(step.name) for step in self.steps)
        steps = [f"{step.name.ljust(width)}  {step.said}" for step in self.steps]
        return "\n".join([self.headline, "", *steps, "", verdict_table(self.verdicts)])

    @property
    def markdown(self) -> str:
        """For Prefect's UI."""
        steps = [f"- **{step.name}**: {step.said}" for step in self.steps]
        return "\n".join([f"**{self.headline}**", "", *steps, "", verdict_markdown(self.verdicts)])

    def save(self, workspace: Workspace) -> None:
        """Write it into the run's folder, in one step: that it is there says that everything was done."""
        replace_file(workspace.runs / self.run_id / RETRAINING, msgspec.json.encode(self))


def find_retraining(workspace: Workspace, run_id: str) -> Retraining | None:
    """What a finished retraining of a run did; None if there was none.

    Raises
    ------
    StageError
        If it cannot be read.
    """
    folder = workspace.runs / run_id
    return read_document(Retraining, folder, RETRAINING) if (folder / RETRAINING).is_file() else None


@contextmanager
def alone(workspace: Workspace, name: str) -> Iterator[None]:
    """No other process retrains this model in this workspace while the block runs; a killed one holds nothing.

    Raises
    ------
    StageError
        If another one does.
    """
    folder = workspace.root / "retraining"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StageError(
                f"{name} is being trained again by another process in {workspace.root}: wait for it"
            ) from None
        yield
