"""Moving an alias: the gates are run, the store decides, and who did it and why is kept with the alias."""

from __future__ import annotations

import time
from dataclasses import dataclass

from models.bundle.bundle import Bundle
from models.bundle.errors import BundleError
from models.bundle.names import CHAMPION
from models.bundle.store import AliasRecord, ModelStore, Verdict
from pipelines.gates import GateConfig, gather, verdicts
from pipelines.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Judged:
    """A version that the gates of an alias have judged; ``since``: the alias's change they compared it with."""

    name: str
    version: int
    alias: str
    verdicts: tuple[Verdict, ...]
    since: int

    @property
    def passed(self) -> bool:
        """Whether every gate was passed."""
        return all(one.passed for one in self.verdicts)


def judge(
    workspace: Workspace, name: str, reference: int | str, alias: str, config: GateConfig, moment: int | None = None
) -> Judged:
    """Run the gates of an alias over a version of a model; nothing is changed.

    Parameters
    ----------
    reference
        A version's number, or an alias.
    moment
        Of the promotion, ns UTC; default: now.

    Raises
    ------
    StoreError
        If there is no such version.
    """
    store = ModelStore(workspace.store)
    bundle = store.resolve(name, reference)
    version = next(one.version for one in store.versions(name) if one.digest == bundle.digest)
    since = store.change(name, alias)
    evidence = None
    if alias == CHAMPION:
        champion = current(store, name, bundle)
        evidence = gather(bundle, champion, workspace, config, time.time_ns() if moment is None else moment)
    return Judged(name, version, alias, verdicts(bundle, alias, evidence), since)


def current(store: ModelStore, name: str, bundle: Bundle) -> Bundle | str | None:
    """The champion that a bundle has to beat, or why it cannot be read; None if there is none, or it is the bundle."""
    record = store.aliases(name).get(CHAMPION)
    if record is None or record.digest == bundle.digest:
        return None
    try:
        return store.resolve(name, record.version)
    except BundleError as error:
        return f"the champion, version {record.version}, cannot be read: {error}"


def promote(workspace: Workspace, judged: Judged, person: str, override: str | None = None) -> AliasRecord:
    """Point the alias at the version; errors as `ModelStore.promote`, which refuses by default."""
    store = ModelStore(workspace.store)
    return store.promote(
        judged.name, judged.version, judged.alias, judged.verdicts, person, override, since=judged.since
    )
