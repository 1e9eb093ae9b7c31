"""A bundle on disk: written in one step, verified byte for byte before anything of it is used.

::

    manifest.json       what it is; its SHA-256 is the bundle's identity (it holds the digests of the files below)
    model.onnx          the one graph
    golden/*.npy        bars, feature rows, members' and ensemble's probabilities
    state/*.engine      the feature engine's state at the end of each instrument's data
    state/*.graph       the graph's recurrent state there
    panel/engine        the panel engine's state there, where features read what instruments say of each other
    panel/golden-*.npy  steps of the panel, for the same check as golden rows
    plugins/*.py        the files that features of one's own come from
    attestation.json    measurements: machine, times, run ids, latency; not part of the identity
    SHA256SUMS          digests of manifest.json and attestation.json (``sha256sum -c`` reads it)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import msgspec

from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from features.panel.engine import PanelEngine
from market.instruments import Instrument
from models.bundle.combination import Conformal
from models.bundle.errors import BundleError, DamagedBundle
from models.bundle.features import checked_features, panel_engine, plugin_files
from models.bundle.files import read_folder, write_folder
from models.bundle.golden import Golden, from_files, to_files
from models.bundle.machine import Attestation, this_machine
from models.bundle.manifest import Manifest, Snapshot, from_bytes, sha256, to_bytes
from models.bundle.runner import GraphRunner
from models.bundle.together import STATE, PanelState

MODEL, MANIFEST, ATTESTATION, SUMS = "model.onnx", "manifest.json", "attestation.json", "SHA256SUMS"
BESIDE = (MANIFEST, ATTESTATION, SUMS)


@dataclass(frozen=True, slots=True)
class SeriesState:
    """The state at the end of one instrument's data.

    ``end``: of the last bar, ns. ``engine``: `FeatureEngine.snapshot`. ``graph``: `GraphRunner.state`.
    """

    end: int
    engine: bytes
    graph: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A verified bundle; everything it gives comes from the bytes that were verified."""

    folder: Path
    digest: str
    manifest: Manifest
    attestation: Attestation
    _files: Mapping[str, bytes]

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """Read and verify a bundle.

        Raises
        ------
        DamagedBundle
            If a file is missing, unknown, or not what its digest says; the message names it.
        IncompatibleBundle
            If its format is newer, or this installation computes other features.
        """
        files = read_folder(folder)
        for name in BESIDE:
            if name not in files:
                raise DamagedBundle(f"{folder}: {name} is missing; write the bundle anew")
        _verify_sums(folder, files)
        manifest = from_bytes(files[MANIFEST])
        _verify_files(folder, manifest, files)
        try:
            attestation = msgspec.json.decode(files[ATTESTATION], type=Attestation)
        except msgspec.MsgspecError as error:
            raise DamagedBundle(f"{folder}: {ATTESTATION} cannot be read: {error}") from error
        bundle = cls(folder, sha256(files[MANIFEST]), manifest, attestation, files)
        bundle.panel()
        return bundle

    @property
    def model(self) -> bytes:
        """The graph."""
        return self._files[MODEL]

    @property
    def files(self) -> Mapping[str, bytes]:
        """Every file by its path."""
        return self._files

    def runner(self) -> GraphRunner:
        """A runner of the graph, at zero state.

        Raises
        ------
        DamagedBundle
            If the graph reads another number of columns than the manifest lists, or has no prediction sets where
            decisions are made by them.
        """
        found, listed = GraphRunner(self.model, self.manifest.burn_in), len(self.manifest.features.columns)
        if found.features != listed:
            raise DamagedBundle(
                f"{self.folder}: {MANIFEST} lists {listed} features, the graph reads {found.features}; "
                "copy the bundle anew"
            )
        conformal = self.manifest.conformal
        if conformal is not None and conformal.one_sided and not found.has_sets:
            raise DamagedBundle(
                f"{self.folder}: decisions are made by prediction sets, which the graph does not say; "
                "copy the bundle anew"
            )
        return found

    def sets(self) -> Conformal | None:
        """The threshold of the prediction sets that the graph says; None where it says none (format 1)."""
        return self.manifest.conformal if self.runner().has_sets else None

    def feature_set(self) -> FeatureSet:
        """The features, checked against what this installation computes.

        Raises
        ------
        IncompatibleBundle
            If it computes something else under these names.
        """
        return checked_features(self.manifest.features, self._files, f"{self.folder}: {MANIFEST}")

    def engine(self) -> FeatureEngine:
        """A feature engine with empty state."""
        return FeatureEngine(self.feature_set())

    def panel(self) -> PanelEngine | None:
        """The panel engine at the end of the data, or None if no feature reads what instruments say of each other.

        Raises
        ------
        DamagedBundle
            If its state is missing.
        StateError
            If its state is of another panel.
        """
        engine = panel_engine(self.feature_set(), tuple(str(one["symbol"]) for one in self.manifest.instruments))
        if engine is None:
            return None
        if STATE not in self._files:
            raise DamagedBundle(f"{self.folder}: {STATE} is missing, which its features need; write the bundle anew")
        engine.restore(self._files[STATE])
        return engine

    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments it was trained on."""
        return tuple(Instrument.from_dict(values) for values in self.manifest.instruments)

    def snapshot(self, symbol: str) -> Snapshot:
        """Where an instrument's data ended.

        Raises
        ------
        BundleError
            If the bundle has no such instrument.
        """
        try:
            return self.manifest.snapshots[symbol]
        except KeyError:
            known = ", ".join(self.manifest.snapshots) or "none"
            raise BundleError(f"{self.folder} has no state of {symbol!r}; it has {known}: warm up instead") from None

    def engine_state(self, symbol: str) -> bytes:
        """The feature engine's state at the end of an instrument's data, for `FeatureEngine.restore`."""
        return self._files[self.snapshot(symbol).engine]

    def graph_state(self, symbol: str) -> bytes:
        """The graph's recurrent state there, for `GraphRunner.set_state`."""
        return self._files[self.snapshot(symbol).graph]

    def golden(self) -> Golden:
        """The golden rows."""
        return from_files(self._files)


def write(
    folder: Path,
    manifest: Manifest,
    model: bytes,
    golden: Golden,
    states: Mapping[str, SeriesState],
    attestation: Attestation | None = None,
    features: FeatureSet | None = None,
    panel: PanelState | None = None,
) -> str:
    """Write a bundle in one step.

    Parameters
    ----------
    folder
        Must not exist yet.
    manifest
        Its ``snapshots`` and ``files`` are filled in here.
    model
        The composed graph.
    golden
        From `models.bundle.golden.record_golden`.
    states
        By symbol.
    attestation
        By default it says nothing but on which machine this runs.
    features
        Those of the manifest, where files of one's own belong to them.
    panel
        From `models.bundle.together.record_panel`, where features read several instruments.

    Returns
    -------
    str
        The content hash: SHA-256 of the manifest.

    Raises
    ------
    BundleError
        If the parts do not belong together, or the folder exists.
    """
    own = {} if features is None else plugin_files(features)
    _check_parts(manifest, model, golden, states, own, panel)
    snapshots = {symbol: Snapshot(state.end, *_state_paths(symbol)) for symbol, state in states.items()}
    files = {MODEL: model, **to_files(golden), **own, **({} if panel is None else panel.files())}
    for symbol, state in states.items():
        files |= dict(zip(_state_paths(symbol), (state.engine, state.graph), strict=True))
    digests = {path: sha256(content) for path, content in files.items()}
    content = to_bytes(msgspec.structs.replace(manifest, snapshots=snapshots, files=digests))
    beside = msgspec.json.encode(attestation or Attestation(machine=this_machine()), order="deterministic")
    files |= {MANIFEST: content, ATTESTATION: beside, SUMS: _sums(content, beside)}
    write_folder(folder, files)
    return sha256(content)


def _state_paths(symbol: str) -> tuple[str, str]:
    safe = quote(symbol, safe="")
    return f"state/{safe}.engine", f"state/{safe}.graph"


def _sums(manifest: bytes, attestation: bytes) -> bytes:
    return f"{sha256(manifest)}  {MANIFEST}\n{sha256(attestation)}  {ATTESTATION}\n".encode()


def _verify_sums(folder: Path, files: Mapping[str, bytes]) -> None:
    if files[SUMS] == _sums(files[MANIFEST], files[ATTESTATION]):
        return
    lines = files[SUMS].decode(errors="replace").splitlines()
    for name in (MANIFEST, ATTESTATION):
        if f"{sha256(files[name])}  {name}" not in lines:
            raise DamagedBundle(f"{folder}: {name} is not what {SUMS} says: one of them was changed; copy it anew")
    raise DamagedBundle(f"{folder}: {SUMS} has more than it should; copy the bundle anew")


def _verify_files(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    for path in sorted(set(manifest.files) - set(files)):
        raise DamagedBundle(f"{folder}: {path} is missing; copy the bundle anew")
    for path in sorted(set(files) - set(manifest.files) - set(BESIDE)):
        raise DamagedBundle(f"{folder}: {path} is not part of the bundle; remove it")
    for path, digest in manifest.files.items():
        if sha256(files[path]) != digest:
            raise DamagedBundle(f"{folder}: {path} is not what {MANIFEST} says; copy the bundle anew")


def _check_parts(
    manifest: Manifest,
    model: bytes,
    golden: Golden,
    states: Mapping[str, SeriesState],
    own: Mapping[str, bytes],
    panel: PanelState | None,
) -> None:
    runner = GraphRunner(model, manifest.burn_in)
    if manifest.members != runner.member_infos():
        raise BundleError(f"the manifest has members {manifest.members}, the graph {runner.member_infos()}")
    if (manifest.conformal is not None) != runner.has_sets:
        raise BundleError("prediction sets in the graph and their threshold in the manifest belong together")
    columns, told_apart = len(manifest.features.columns), manifest.features.instruments
    if columns != runner.features:
        raise BundleError(f"the manifest has {columns} features, the graph {runner.features}")
    if golden.features.shape != (len(golden.bars), runner.features):
        raise BundleError(f"golden feature rows have shape {golden.features.shape} for {len(golden.bars)} bars")
    symbols = {instrument["symbol"] for instrument in manifest.instruments}
    if told_apart and set(told_apart) != symbols:
        raise BundleError(
            f"the model tells {sorted(told_apart)} apart, the manifest's instruments are {sorted(symbols)}"
        )
    for symbol, state in states.items():
        if symbol not in symbols:
            raise BundleError(f"a state of {symbol!r}, which is not among the manifest's instruments {sorted(symbols)}")
        runner.set_state(state.graph)
    wanted = checked_features(manifest.features, own, MANIFEST)
    engine = FeatureEngine(wanted)
    for state in states.values():
        engine.restore(state.engine)
    needed = panel_engine(wanted, tuple(str(one["symbol"]) for one in manifest.instruments))
    if (needed is None) != (panel is None):
        raise BundleError("the panel engine's state belongs to features that read it, and only to those")
    if needed is not None and panel is not None:
        needed.restore(panel.snapshot)
