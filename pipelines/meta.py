"""What a run found out about its second stage: typed values that report and tracking are made from."""

from __future__ import annotations

import msgspec

from pipelines.estimate import Estimate, Number


class Choice(msgspec.Struct, frozen=True):
    """Decisions that were acted on. ``precision``: right, of them; ``recall``: of all right ones, these.

    ``f1``: the harmonic mean of both. ``false_positives``: of all wrong ones, these.
    """

    precision: Estimate
    recall: Estimate
    f1: Estimate
    false_positives: Estimate


class AtShare(msgspec.Struct, frozen=True):
    """A share of the decisions, chosen by the ensemble's confidence and by the second stage.

    ``difference``: of precision, the second stage's less the ensemble's, on the same draws.
    """

    coverage: float
    ensemble: Choice
    meta: Choice
    difference: Estimate


class MetaScores(msgspec.Struct, frozen=True):
    """What the second stage was worth on some decisions, of which ``effective`` are independent.

    ``right``: how often the ensemble's side was. Log losses of saying how probably it is, in nats per decision:
    ``gain`` is that of the base rate, known beforehand, less the second stage's; ``over_ensemble`` that of the
    ensemble's own max(p, 1 − p) less it. ``acted``: where the second stage says that the side is rather right, which
    is a share ``share`` of all; None where that is nowhere.
    """

    rows: int
    effective: Number
    right: Estimate
    gain: Estimate
    over_ensemble: Estimate
    curve: tuple[AtShare, ...]
    share: Estimate
    acted: Choice | None

    def at(self, coverage: float) -> AtShare | None:
        """The curve's point at a share of the decisions; None if it has none there."""
        return next((one for one in self.curve if abs(one.coverage - coverage) < 1e-9), None)


class MetaStudy(msgspec.Struct, frozen=True):
    """A run's second stage: what it sees, how it weighs that at the end, and what it was worth.

    ``sizing``: whether it sized the bets. ``weights``: of the ``inputs``, in log odds per unit, of the last fold's.
    ``folds``: how many had one, the first of which is ``first``, as people count. ``holdout``: on the untouched
    stretch; None before that was traded, and where it is too short, which ``holdout_note`` says.
    """

    sizing: bool
    inputs: tuple[str, ...]
    weights: tuple[float, ...]
    folds: int
    first: int
    out_of_fold: MetaScores
    holdout: MetaScores | None = None
    holdout_note: str = ""
