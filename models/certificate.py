"""The certificate: the exported graph against the libraries that trained it.

A diagnostic of the export, not a second truth: after it, the graph *is* the model. Each member is compared with its
native predictions on real rows, on rows placed on split thresholds, at extreme and subnormal values and with NaN,
against a bound that is stated for its kind; recurrent members over contiguous stretches with carried state. Most hard
rows go through each member's part of the graph alone, in one call, and a sample of them through the whole graph, which
must give the same bits. The ensemble is compared with the
same combination of native members, computed here in NumPy; and no decision may differ where the probability is further
than a tolerance band from a decision threshold. A second stage is computed here from what the graph says of members and
ensemble: where a side turns over, what it says jumps, and no bound on differences of probabilities could hold.
Prediction sets are compared with those of NumPy on every row's probability of the ensemble, and on probabilities on
their threshold and next to it, and must be the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from models.at_once import at_once
from models.bundle.combination import Calibration, Conformal, Meta, Pool
from models.bundle.runner import PROBABILITY, GraphRunner, Stages, session_options
from models.ensemble.calibration import calibrate
from models.ensemble.conformal import prediction_sets
from models.ensemble.logits import logistic, logit
from models.ensemble.pools import pool_logit
from models.evidence import EXTREME, MISSING, REAL, SUBNORMAL, THRESHOLD, Evidence
from models.graph.alone import sets_alone
from models.members import MEMBERS
from models.meta.fit import right_probability, sized_probability
from models.meta.inputs import meta_inputs

SEQUENCE = 10_000
"""Bars in a row over which the state is to be compared."""
SAMPLE = 200
"""Of rows that are answered at once, how many go through the whole graph besides: the first ones of a stretch."""
SECOND_STAGE_BOUND = 1e-9
"""How far the second stage in the graph may be from the same in NumPy; both are float64 of the same inputs."""
NEAR = 20
"""Numbers in a row on each side of a threshold at which prediction sets are compared."""


class Requirements(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be shown before a certificate passes.

    ``decisions``: the probabilities at which decisions change. ``tolerance``: half the width of the band around each,
    and the ensemble's bound. Rows: real ones for every member, threshold rows for every one with trees; ``sequence``:
    the longest contiguous stretch for every one with recurrent state. ``bounds``: the largest absolute difference in
    probability by member name; by default what the members' kinds state. ``hard_rows``: at extreme and at subnormal
    values each, and with NaN, or in runs between rows with NaN, where there are trees or a state. ``rows``: of all
    kinds together, for every member.
    """

    decisions: tuple[float, ...] = (0.5,)
    tolerance: float = 1e-5
    real_rows: int = 10_000
    threshold_rows: int = 1_000
    sequence: int = SEQUENCE
    bounds: dict[str, float] = msgspec.field(default_factory=lambda: {one: MEMBERS.facts(one).bound for one in MEMBERS})
    rows: int = 100_000
    hard_rows: int = 1_000


class Finding(msgspec.Struct, frozen=True):
    """Largest absolute error and rows compared by kind of row, and the longest contiguous stretch of real rows.

    ``missing``: rows where only one side had a probability. ``carried``: the longest stretch of rows of any kind over
    which a state was carried, 0 for a member without one. ``spread``: the largest less the smallest of the library's
    probabilities of real rows; 0 says that it has learned nothing.
    """

    bound: float
    errors: dict[str, float]
    rows: dict[str, int]
    longest: int
    missing: int
    carried: int = 0
    spread: float = 0.0

    @property
    def error(self) -> float:
        """The largest error of all."""
        return max(self.errors.values(), default=0.0)


class Decision(msgspec.Struct, frozen=True):
    """Around one decision threshold: rows inside the tolerance band, decisions that differ there, and outside."""

    threshold: float
    inside: int
    flips_inside: int
    flips: int


class SetFinding(msgspec.Struct, frozen=True):
    """How many prediction sets were compared, of rows and of probabilities at the threshold, and how many differ."""

    rows: int
    at_threshold: int
    differing: int


class Certificate(msgspec.Struct, frozen=True):
    """The verdict, its reasons (none when passed), and everything that was measured.

    ``notes``: what passed with less than is wanted, in words. ``rows``: all that were compared, whatever their kind.
    ``graph_bytes``: the graph's size. ``sets``: of prediction sets, None without. ``second_stage``: of what it says,
    and of the probability that the bet follows.
    """

    passed: bool
    reasons: tuple[str, ...]
    members: dict[str, Finding]
    ensemble: Finding
    decisions: tuple[Decision, ...]
    tolerance: float
    requirements: Requirements
    notes: tuple[str, ...]
    rows: int
    graph_bytes: int
    sets: SetFinding | None = None
    second_stage: Finding | None = None

    def summary(self) -> dict[str, Any]:
        """As plain values, for the manifest."""
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        if self.second_stage is None:
            found.pop("second_stage")
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One stretch: a native prediction (n,) and the graph's (n,)."""

    kind: str
    native: NDArray[np.float64]
    graph: NDArray[np.float64]


def certify(
    model: bytes,
    evidence: Sequence[Evidence],
    pool: Pool | None = None,
    calibration: Calibration | None = None,
    requirements: Requirements | None = None,
    conformal: Conformal | None = None,
    meta: Meta | None = None,
) -> Certificate:
    """Compare a graph with its native members.

    Parameters
    ----------
    model
        The composed graph.
    evidence
        From `models.evidence.gather`, or stored when the members were fitted.
    pool, calibration
        What the graph was composed with.
    requirements
        What must be shown; the defaults where None.
    conformal, meta
        The threshold of prediction sets and the second stage that the graph was composed with.

    Raises
    ------
    ValueError
        If a member has no bound, or evidence is of a member that the graph does not have.
    """
    needs = requirements or Requirements()
    runner = GraphRunner(model)
    stepped = [(one, _run(runner, one.rows)) for one in evidence if not one.at_once]
    compared, whole = _compare(runner, stepped, pool, calibration)
    second = None if meta is None else _finding(_compare_second(stepped, conformal, meta), SECOND_STAGE_BOUND)
    differing = _compare_at_once(model, [one for one in evidence if one.at_once], compared)
    members = {
        one.name: _finding(compared[one.name], _bound(one.name, needs), bool(one.state))
        for one in runner.member_infos()
    }
    ensemble = _finding(whole, needs.tolerance)
    decisions = tuple(_decision(whole, threshold, needs.tolerance) for threshold in _thresholds(needs, conformal))
    sets = _compare_sets(model, runner, stepped, conformal)
    reasons = (
        *_lacking(model, runner, members, ensemble, needs),
        *(
            f"{name}: {count} rows have other bits at once than in the whole graph"
            for name, count in differing.items()
            if count
        ),
        *(reason for name, finding in {**members, "ensemble": ensemble}.items() for reason in _failures(name, finding)),
        *([] if second is None else _failures("second stage", second)),
        *(
            f"{decision.flips} decisions at {decision.threshold} differ outside the band of {needs.tolerance}; 0 may"
            for decision in decisions
            if decision.flips
        ),
        *_set_failures(runner, sets, conformal),
    )
    return Certificate(
        passed=not reasons,
        reasons=reasons,
        members=members,
        ensemble=ensemble,
        decisions=decisions,
        tolerance=needs.tolerance,
        requirements=needs,
        notes=tuple(_notes(runner, members, needs)),
        rows=sum(len(one.rows) for one in evidence),
        graph_bytes=len(model),
        sets=sets,
        second_stage=second,
    )


def combine(members: NDArray[np.float64], pool: Pool | None, calibration: Calibration | None) -> NDArray[np.float64]:
    """The ensemble's probability of members (n, m), shape (n,): what `models.graph.ensemble` writes, in NumPy."""
    if pool is None:
        mean: NDArray[np.float64] = members.mean(axis=1)
        return mean if calibration is None else calibrate(calibration, logit(mean, calibration.clip))
    combined = pool_logit(pool, members)
    return logistic(combined) if calibration is None else calibrate(calibration, combined)


def _compare(
    runner: GraphRunner,
    stepped: Iterable[tuple[Evidence, Stages]],
    pool: Pool | None,
    calibration: Calibration | None,
) -> tuple[dict[str, list[Comparison]], list[Comparison]]:
    """Comparisons by member, and of the ensemble."""
    members: dict[str, list[Comparison]] = {name: [] for name in runner.members}
    whole: list[Comparison] = []
    for piece, said in stepped:
        unknown = set(piece.native) - set(runner.members)
        if unknown:
            raise ValueError(f"evidence of {sorted(unknown)}, but the graph has the members {runner.members}")
        for number, name in enumerate(runner.members):
            if name in piece.native:
                members[name].append(Comparison(piece.kind, piece.native[name], said.members[:, number]))
        if len(piece.native) == len(runner.members):
            native = np.column_stack([piece.native[name] for name in runner.members])
            whole.append(Comparison(piece.kind, combine(native, pool, calibration), said.ensemble))
    return members, whole


def _run(runner: GraphRunner, rows: NDArray[np.float64]) -> Stages:
    runner.reset()
    return runner.run_stages(rows)


def _compare_second(
    stepped: Iterable[tuple[Evidence, Stages]], conformal: Conformal | None, meta: Meta
) -> list[Comparison]:
    """The second stage of what the graph says of members and ensemble: as the graph has it, and in NumPy."""
    found = []
    for piece, said in stepped:
        inputs = meta_inputs(said.members, said.ensemble, conformal, piece.rows[:, list(meta.columns)], meta.clip)
        right = right_probability(meta, inputs)
        found.append(Comparison(piece.kind, right, said.right))
        sized = sized_probability(said.ensemble, right) if meta.sizing else said.ensemble
        found.append(Comparison(piece.kind, sized, said.probability))
    return found


def _compare_at_once(
    model: bytes, evidence: Sequence[Evidence], compared: dict[str, list[Comparison]]
) -> dict[str, int]:
    """Add comparisons of rows that are answered at once; by member, how many of a sample the whole graph denies."""
    graph, runner = onnx.load_model_from_string(model), GraphRunner(model)
    recurrent = {member.name for member in runner.member_infos() if member.state}
    names = dict.fromkeys(name for piece in evidence for name in piece.native)
    if strange := [name for name in names if name not in compared]:
        raise ValueError(f"evidence of {strange}, but the graph has the members {tuple(compared)}")
    asked = {name: at_once(graph, name, name in recurrent) for name in names}
    differing = dict.fromkeys(names, 0)
    for piece in evidence:
        sample = slice(SAMPLE) if recurrent.intersection(piece.native) else _spread(len(piece.rows))
        runner.reset()
        members = runner.run_rows(piece.rows[sample])[0]
        for name, native in piece.native.items():
            said = asked[name](piece.rows)
            compared[name].append(Comparison(piece.kind, native, said))
            stepped = members[:, runner.members.index(name)]
            known = ~np.isnan(stepped)
            differing[name] += int((said[sample] != stepped)[known].sum())
    return differing


def _thresholds(needs: Requirements, conformal: Conformal | None) -> tuple[float, ...]:
    """The probabilities at which decisions change, those of prediction sets among them where they decide."""
    if conformal is None or not conformal.one_sided:
        return needs.decisions
    return (*needs.decisions, conformal.least, 1.0 - conformal.least)


def _compare_sets(
    model: bytes, runner: GraphRunner, stepped: Iterable[tuple[Evidence, Stages]], conformal: Conformal | None
) -> SetFinding | None:
    """Prediction sets of the graph beside NumPy's, of the same probabilities."""
    if conformal is None or not runner.has_sets:
        return None
    rows = differing = 0
    for _, said in stepped:
        rows += int(np.isfinite(said.ensemble).sum())
        differing += int((said.sets != prediction_sets(conformal, said.ensemble)).any(axis=1).sum())
    session = onnxruntime.InferenceSession(
        sets_alone(onnx.load_model_from_string(model)).SerializeToString(), session_options()
    )
    near = _near(conformal.least)
    sets = np.stack([session.run(None, {PROBABILITY: one})[0] for one in near.reshape(-1, 1)])
    differing += int((sets != prediction_sets(conformal, near)).any(axis=1).sum())
    return SetFinding(rows, len(near), differing)


def _near(least: float) -> NDArray[np.float64]:
    """Probabilities at which a prediction set changes, the numbers next to them, and the ends of all."""
    found = [0.0, 0.5, 1.0]
    for centre in (least, 1.0 - least):
        for side in (-1.0, 1.0):
            near = centre
            for _ in range(NEAR):
                found.append(near)
                near = float(np.nextafter(near, side))
    values = np.unique(np.array(found))
    return values[(values >= 0.0) & (values <= 1.0)]


def _set_failures(runner: GraphRunner, sets: SetFinding | None, conformal: Conformal | None) -> Iterator[str]:
    if runner.has_sets != (conformal is not None):
        yield f"prediction sets: {'no threshold was given' if runner.has_sets else 'the graph says none'}"
    if sets is not None and sets.differing:
        yield f"prediction sets: {sets.differing} differ from those of the threshold; 0 may"


def _spread(count: int) -> NDArray[np.int64]:
    """The places of `SAMPLE` of some rows, evenly spread."""
    return np.linspace(0, count - 1, min(SAMPLE, count), dtype=np.int64)


def _notes(runner: GraphRunner, members: Mapping[str, Finding], needs: Requirements) -> Iterator[str]:
    for member in runner.member_infos():
        longest = members[member.name].longest
        if member.state and longest < SEQUENCE:
            yield (
                f"{member.name}: state compared over {longest:,} bars in a row; {SEQUENCE:,} are wanted, "
                f"and {needs.sequence:,} were asked for, which is what the data has"
            )
    for name, found in members.items():
        if found.rows.get(REAL, 0) > 1 and found.spread == 0.0:
            yield (
                f"{name}: the same probability on all {found.rows[REAL]:,} real rows, for it has learned nothing; that "
                "its graph agrees there says little"
            )


def _finding(comparisons: Sequence[Comparison], bound: float, carries_state: bool = False) -> Finding:
    errors: dict[str, float] = {}
    rows: dict[str, int] = {}
    missing = longest = carried = 0
    for one in comparisons:
        known = ~np.isnan(one.native) & ~np.isnan(one.graph)
        distance = np.abs(one.native[known] - one.graph[known])
        errors[one.kind] = max(errors.get(one.kind, 0.0), float(distance.max(initial=0.0)))
        rows[one.kind] = rows.get(one.kind, 0) + int(known.sum())
        missing += int((np.isnan(one.native) != np.isnan(one.graph)).sum())
        run = _longest_run(known)
        longest = max(longest, run if one.kind == REAL else 0)
        carried = max(carried, run if carries_state else 0)
    real = np.concatenate([np.empty(0), *(one.native for one in comparisons if one.kind == REAL)])
    spread = float(np.nanmax(real) - np.nanmin(real)) if np.isfinite(real).any() else 0.0
    return Finding(bound, errors, rows, longest, missing, carried, spread)


def _longest_run(known: NDArray[np.bool_]) -> int:
    """The longest run of true values."""
    breaks = np.flatnonzero(~np.concatenate([[False], known, [False]]))
    return int(np.diff(breaks).max()) - 1


def _decision(comparisons: Sequence[Comparison], threshold: float, tolerance: float) -> Decision:
    native, graph = (
        np.concatenate([np.empty(0), *(getattr(one, side) for one in comparisons)]) for side in ("native", "graph")
    )
    inside = np.abs(native - threshold) <= tolerance
    flips = (native >= threshold) != (graph >= threshold)
    return Decision(threshold, int(inside.sum()), int((flips & inside).sum()), int((flips & ~inside).sum()))


def _bound(name: str, needs: Requirements) -> float:
    if name not in needs.bounds:
        raise ValueError(
            f"member {name!r} has no stated bound; add one to the requirements beside {dict(needs.bounds)}"
        )
    return needs.bounds[name]


def _failures(name: str, finding: Finding) -> Iterator[str]:
    for kind, error in finding.errors.items():
        if not error <= finding.bound:
            yield f"{name}: differs by {error:.3g} on {kind} rows; at most {finding.bound:.3g} may"
    if finding.missing:
        yield f"{name}: {finding.missing} rows have a probability on one side only"


def _lacking(
    model: bytes, runner: GraphRunner, members: Mapping[str, Finding], ensemble: Finding, needs: Requirements
) -> Iterator[str]:
    """What was not shown."""
    nodes = onnx.load_model_from_string(model).graph.node
    trees = {node.output[0].split("/")[0] for node in nodes if node.op_type == "TreeEnsemble"}
    recurrent = {member.name for member in runner.member_infos() if member.state}
    kinds = (SUBNORMAL, EXTREME)
    for name, finding in {**members, "ensemble": ensemble}.items():
        if finding.rows.get(REAL, 0) < needs.real_rows:
            yield f"{name}: compared on {finding.rows.get(REAL, 0)} real rows; {needs.real_rows} are needed"
        if name in trees and finding.rows.get(THRESHOLD, 0) < needs.threshold_rows:
            yield f"{name}: compared on {finding.rows.get(THRESHOLD, 0)} threshold rows; {needs.threshold_rows} needed"
        if name in recurrent and finding.longest < needs.sequence:
            yield f"{name}: the longest stretch with carried state has {finding.longest} rows; {needs.sequence} needed"
        if name == "ensemble":
            continue
        asked = (*kinds, MISSING) if name in trees | recurrent else kinds
        for kind in asked:
            if finding.rows.get(kind, 0) < needs.hard_rows:
                yield f"{name}: compared on {finding.rows.get(kind, 0)} {kind} rows; {needs.hard_rows} are needed"
        together = sum(finding.rows.values())
        if together < needs.rows:
            yield f"{name}: compared on {together} rows of all kinds; {needs.rows} are needed"
