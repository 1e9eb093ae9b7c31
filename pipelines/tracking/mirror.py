"""Show the store's aliases in MLflow's registry. The store has decided before this runs; this only tells people."""

from __future__ import annotations

from importlib.util import find_spec

from pipelines.tracking.registry import Registry
from pipelines.workspace import Workspace


def mirror(workspace: Workspace, name: str, digest: str, alias: str) -> str:
    """Let ``@alias`` in MLflow point to the version with this bundle; returns what happened, in words.

    The versions that hold or held an alias are described anew: their pages say since or until when.

    Nothing is created: without MLflow, or a tracking store that knows the bundle, there is nothing to show it in.
    """
    uri = workspace.mlflow_uri
    local = workspace.root / "mlflow.db"
    if find_spec("mlflow") is None:
        return "MLflow is not installed here, so its registry was not told"
    if uri == f"sqlite:///{local}" and not local.is_file():
        return f"there is no MLflow store {local} to tell"
    from mlflow.exceptions import MlflowException

    from pipelines.tracking.standing import refresh
    from pipelines.tracking.tracker import mlflow_client

    try:
        registry = Registry(mlflow_client(uri), uri)
        version = registry.mirror_digest(name, digest, alias)
        refresh(registry, workspace, name)
    except MlflowException as error:
        return f"MLflow's registry at {uri} was not told: {error.message}"
    if version is None:
        return f"MLflow's registry at {uri} does not know this bundle, so it was not told"
    return f"MLflow's registry shows @{alias} at its version {version}"
