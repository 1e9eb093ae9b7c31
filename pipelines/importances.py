"""What a run found out about its features: typed values that report and tracking are made from.

Members are asked about the test rows of their purged folds, which they have not seen. One that is kept as a graph only
(the LSTM) is not asked: every question is a prediction of every row, and its state would be walked for each.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NOBODY = ""
"""The member of a table that asks none: features by themselves."""
SINGLE: Final = "sfi"


class Agreement(msgspec.Struct, frozen=True):
    """Whether the folds agree on what matters.

    ``rank_correlation``: mean over pairs of folds. ``concordance``: Kendall's W, 1 where all rank alike, with its
    ``p_value``. Two folds share ``shared`` of their ``leading`` features, ``by_chance`` if they knew nothing.
    """

    rank_correlation: float
    concordance: float
    p_value: float
    leading: int
    shared: float
    by_chance: float


class ImportanceTable(msgspec.Struct, frozen=True, eq=False):
    """What features, or clusters of them, are worth to a member's fits by one method.

    ``values`` (folds, f) in ``unit``; ``low`` and ``high`` (f,) are the mean's interval, NaN of a single fold.
    ``agreement`` is None where there is one fold, or one feature.
    """

    member: str
    method: str
    title: str
    unit: str
    names: tuple[str, ...]
    values: Floats
    low: Floats
    high: Floats
    agreement: Agreement | None = None

    @property
    def mean(self) -> Floats:
        """Of the folds, shape (f,)."""
        return np.asarray(self.values.mean(axis=0), np.float64)


class FeatureClusters(msgspec.Struct, frozen=True, eq=False):
    """Which cluster each feature is in (f,), how well it sits there (f,), and how far features are apart (f, f)."""

    names: tuple[str, ...]
    label: NDArray[np.int64]
    silhouette: Floats
    distance: Floats


class ExplainedRows(msgspec.Struct, frozen=True, eq=False):
    """SHAP values (n, f) of some test rows of all folds, log odds, with the rows (n, f) and what each counts (n,).

    A row's values and its ``bias`` (n,) add up to its ``margin`` (n,).
    """

    member: str
    names: tuple[str, ...]
    features: Floats
    values: Floats
    bias: Floats
    margin: Floats
    weight: Floats


class ImportanceStudy(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Everything that was asked, and how much of it.

    ``rows``: the most test rows of a fold. ``repeats``: permutations that were averaged. ``level``: of the intervals,
    Student's over folds, widened for what training windows have in common by ``overlap``, test rows over training rows
    (Nadeau and Bengio 2003). Walk-forward windows share more than that correction knows: the intervals are still on
    the narrow side, and no correction for the number of features is made.
    """

    rows: int
    repeats: int
    level: float
    overlap: float
    tables: tuple[ImportanceTable, ...]
    clusters: FeatureClusters | None = None
    explained: tuple[ExplainedRows, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """Those that were asked, in order."""
        return tuple(dict.fromkeys(one.member for one in self.tables if one.member != NOBODY))

    def table(self, member: str, method: str) -> ImportanceTable | None:
        """One table; None if it was not made."""
        return next((one for one in self.tables if (one.member, one.method) == (member, method)), None)
