"""What a worker of a cluster is given of a study, and what it must have in common with the process that gives it.

A worker on other code, other data or another database would add trials that are not the study's, and nothing about
their losses would tell. So each is looked at before it is given anything to try.
"""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import URL

from features.plugins import install_sources
from market.instruments import Instrument
from pipelines.ledger.database import open_engine
from pipelines.ledger.location import locate
from pipelines.ledger.trial import Trial
from pipelines.stages import data as data_stage
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.data import DataFacts
from pipelines.stages.environment import code_digest, library_versions, machine_class, member_libraries
from pipelines.stages.features import own_features
from pipelines.toml import digest
from pipelines.tuning.config import StudyConfig
from pipelines.tuning.evaluate import Ground
from pipelines.tuning.storage import studies_url, this_process
from pipelines.tuning.trials import Bench, open_bench, open_lake
from pipelines.workspace import Workspace

LIBRARIES = ("numpy", "numba", "llvmlite", "polars", "scipy", "onnx", "onnxruntime", "optuna", "msgspec")
"""What decides a trial's bits beside its members' libraries."""


class Handout(msgspec.Struct, frozen=True):
    """A study as a worker is given it, with everything that its files said: a worker needs none of them.

    ``sources``: files of features, by module. ``workspace``: the giver's; a worker's own ``BOT4_WORKSPACE`` goes first.
    """

    study: StudyConfig
    facts: DataFacts
    instruments: tuple[dict[str, str | None], ...]
    base: Trial
    sources: dict[str, str]
    workspace: str

    def place(self) -> Workspace:
        """The workspace in this process."""
        return Workspace.default() if os.environ.get("BOT4_WORKSPACE") else Workspace(Path(self.workspace))

    def install(self) -> None:
        """Make the study's own features importable in this process."""
        install_sources(self.sources)

    def bench(self) -> Bench:
        """What this process needs to try things; errors as `pipelines.tuning.trials.open_bench`."""
        self.install()
        workspace = self.place()
        rules = tuple(Instrument.from_dict(one) for one in self.instruments)
        ground = Ground(open_lake(self.study.base.data, workspace), Artefacts(workspace.artefacts), self.facts, rules)
        return open_bench(self.study, workspace, ground, self.base)


class Sight(msgspec.Struct, frozen=True):
    """What decides whether a process can try a study's trials.

    ``process``: as in `pipelines.tuning.storage.this_process`. ``code``, ``features``: digests of ours and of what
    features of one's own compile to. ``data``: the series' fingerprints. ``studies``, ``ledger``: which databases these
    are. ``machine``: the machine class, which may differ.
    """

    process: dict[str, Any]
    code: str
    features: tuple[str, ...]
    python: str
    libraries: dict[str, str]
    data: dict[str, str]
    studies: str
    ledger: str
    machine: tuple[str, ...]


def hand_out(bench: Bench, workspace: Workspace) -> Handout:
    """A study for workers."""
    return Handout(
        study=bench.config,
        facts=bench.ground.facts,
        instruments=tuple(one.to_dict() for one in bench.ground.instruments),
        base=bench.base,
        sources=bench.config.sources(),
        workspace=str(workspace.root.resolve()),
    )


def see(handout: Handout) -> Sight:
    """Look at this process; errors as those of finding the study's data, databases and devices."""
    handout.install()
    workspace, study = handout.place(), handout.study
    study.check_devices()
    facts = data_stage.describe(study.base.data, open_lake(study.base.data, workspace))
    libraries = (*LIBRARIES, *member_libraries(study.base.members))
    return Sight(
        process=this_process(),
        code=code_digest(),
        features=own_code(study),
        python=platform.python_version(),
        libraries=library_versions(libraries),
        data={one.symbol: digest(one) for one in facts.series},
        studies=identity(studies_url(workspace, study.tuning.storage, os.environ)),
        ledger=identity(locate(workspace).url),
        machine=machine_class(),
    )


def own_code(study: StudyConfig) -> tuple[str, ...]:
    """Digests of the features that are not the house's, of the training and of each searched list of features."""
    searched = (value for one in study.space if one.key == "features.names" for value in one.corners)
    configs = [study.base, *(study.configured({"features.names": value}) for value in searched)]
    return tuple(own_features(one).code for one in configs)


def identity(url: URL) -> str:
    """Which database a URL leads to from here, however it is written: a file of this machine, or a server's database.

    Errors as of connecting.

    Examples
    --------
    >>> identity(URL.create("sqlite", database="/w/trials.db")).startswith("the file /w/trials.db of machine ")
    True
    """
    if url.get_backend_name() == "sqlite":
        return f"the file {Path(str(url.database)).resolve()} of machine {socket.gethostname()}"
    with open_engine(url).connect() as connection:
        asked = "SELECT current_database(), current_schema(), extract(epoch FROM pg_postmaster_start_time())"
        database, schema, began = connection.exec_driver_sql(asked).one()
    return f"PostgreSQL's database {database}, schema {schema}, of the server that began {began} s after 1970"


def differences(mine: Sight, theirs: Sight) -> list[str]:
    """Why a process cannot try a study's trials: each reason as a sentence; none if it can."""
    found = []
    if theirs.code != mine.code:
        found.append(f"it runs other code of bot4 (digest {theirs.code[:12]}, here {mine.code[:12]})")
    if theirs.features != mine.features:
        found.append("its features of one's own are others")
    if theirs.python != mine.python:
        found.append(f"it runs Python {theirs.python}, here {mine.python}")
    for name, version in mine.libraries.items():
        if theirs.libraries.get(name) != version:
            found.append(f"it has {theirs.libraries.get(name)} for {name}, here {version}")
    for symbol, fingerprint in mine.data.items():
        if theirs.data.get(symbol) != fingerprint:
            found.append(f"its lake has other bars of {symbol}")
    for what, variable in (("studies", "BOT4_STUDIES_URL"), ("ledger", "BOT4_LEDGER_URL")):
        if getattr(theirs, what) != getattr(mine, what):
            found.append(
                f"its {what} would be {getattr(theirs, what)}, here {getattr(mine, what)}: machines share a PostgreSQL "
                f"database, named by {variable} in the environment of each"
            )
    return found
