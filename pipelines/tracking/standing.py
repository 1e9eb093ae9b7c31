"""What MLflow's registry says of a model's versions, after an alias was moved: their cards and tags, written again."""

from __future__ import annotations

from models.bundle.store import ModelStore
from pipelines.gates.evidence import find_result
from pipelines.tracking.card import card_text, standing_tags
from pipelines.tracking.registry import Registry
from pipelines.workspace import Workspace


def refresh(registry: Registry, workspace: Workspace, name: str) -> tuple[int, ...]:
    """Describe anew every version that any alias points to, and the one that it last pointed to; which they are.

    A version whose run is not in the workspace keeps its description and gets the tags.
    """
    history = ModelStore(workspace.store).history(name)
    newest = [
        [one.digest for one in reversed(history) if one.alias == alias] for alias in {one.alias for one in history}
    ]
    last = [list(dict.fromkeys(digests))[:2] for digests in newest]
    found = []
    for digest in dict.fromkeys(digest for two in last for digest in two):
        version = registry.find_version(name, digest)
        if version is None:
            continue
        result = find_result(workspace.runs, digest)
        text = None if result is None else card_text(result, history)
        registry.describe(name, version, text, standing_tags(digest, history))
        found.append(version)
    return tuple(sorted(found))
