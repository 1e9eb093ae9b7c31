"""MLflow's registry as the model store's mirror, for people: the store decides, serving never looks here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipelines.errors import PipelineError

DIGEST_TAG = "bot4.bundle_digest"


@contextmanager
def _global_uri(uri: str) -> Iterator[None]:
    # MLflow's SQL registry resolves a "models:/<id>" source through the process's global tracking URI whatever the
    # client's own is, and setting it also sets the environment variable: both are put back.
    import mlflow
    from mlflow.tracking._tracking_service import utils

    before, environment = utils._tracking_uri, os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)
        if environment is not None:
            os.environ["MLFLOW_TRACKING_URI"] = environment


class Registry:
    """Registered models of one MLflow store."""

    def __init__(self, client: Any, uri: str) -> None:
        self._client = client
        self._uri = uri

    def register(self, name: str, model_id: str, run_id: str, digest: str) -> int:
        """A new version of the registered model ``name`` (made if there is none) from a run's logged model."""
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name)
        with _global_uri(self._uri):
            version = self._client.create_model_version(
                name, f"models:/{model_id}", run_id=run_id, tags={DIGEST_TAG: digest}
            )
        return int(version.version)

    def describe(self, name: str, version: int, text: str | None, tags: Mapping[str, str]) -> None:
        """Show a version's card on its page, if there is one, and what to filter versions by."""
        if text is not None:
            self._client.update_model_version(name, str(version), text)
        for key, value in tags.items():
            self._client.set_model_version_tag(name, str(version), key, value)

    def find_version(self, name: str, digest: str) -> int | None:
        """The version whose bundle has this content digest; None if it was never registered here."""
        found = self._client.search_model_versions(f"name = '{name}' and tags.`{DIGEST_TAG}` = '{digest}'")
        return max((int(one.version) for one in found), default=None)

    def aliases(self, name: str) -> dict[str, tuple[int, str]]:
        """Every alias of a model: the version it points to, and the content digest of its bundle (empty: unknown)."""
        for model in self._client.search_registered_models(f"name = '{name}'"):
            versions = {alias: int(version) for alias, version in model.aliases.items()}
            tags = {
                version: self._client.get_model_version(name, str(version)).tags for version in set(versions.values())
            }
            return {alias: (version, tags[version].get(DIGEST_TAG, "")) for alias, version in versions.items()}
        return {}

    def versions(self, name: str) -> dict[str, int]:
        """The newest version of each bundle of a model that is known here, by the bundle's content digest."""
        found: dict[str, int] = {}
        for one in self._client.search_model_versions(f"name = '{name}'"):
            digest = one.tags.get(DIGEST_TAG)
            if digest is not None:
                found[digest] = max(found.get(digest, 0), int(one.version))
        return found

    def mirror_alias(self, name: str, version: int, alias: str) -> None:
        """Let ``@alias`` point to a version.

        Raises
        ------
        PipelineError
            If the registry has no such model or version.
        """
        from mlflow.exceptions import MlflowException

        try:
            self._client.set_registered_model_alias(name, alias, str(version))
        except MlflowException as error:
            what = f"cannot point @{alias} of {name} to version {version}"
            raise PipelineError(f"MLflow's registry at {self._uri} {what}: {error.message}") from error

    def mirror_digest(self, name: str, digest: str, alias: str) -> int | None:
        """Let ``@alias`` point to the version with this bundle; None if this store never saw the bundle."""
        version = self.find_version(name, digest)
        if version is not None:
            self.mirror_alias(name, version, alias)
        return version
