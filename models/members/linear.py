"""The baseline: logistic regression on robustly scaled, clipped features.

The penalty's strength is the one choice that matters; a short path of strengths is fitted, strongest first, and the
validation rows choose, as they choose the number of trees or epochs of the other members.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.dataset import Panel
from models.members.along import NOWHERE, Along
from models.members.domain import above, between
from models.members.facts import MemberFacts
from models.members.protocol import FitRecord, Progress
from models.members.scaling import Scaler, fit_scaler
from models.members.training import Rows, consecutive, log_loss, take_both

if TYPE_CHECKING:
    from models.graph.part import GraphPart

NAME = "linear"
NATIVE_FILE = f"{NAME}.npz"
FACTS = MemberFacts(
    bound=1e-12,
    library="sklearn.linear_model",
    distributions=("numpy", "scipy", "scikit-learn", "onnx"),
    axis="penalty, strongest first",
    importance="absolute coefficient",
    thin={"inverse_strengths": [1e-3, 1e-1]},
)


class LinearConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hyperparameters of the logistic baseline.

    ``inverse_strengths``: scikit-learn's ``C``, tried in this order. With weights that count effective rows it is the
    prior variance of a coefficient per standard deviation of its feature: 1e-4 expects log odds of ±0.01, 1 of ±1.
    ``l1_ratio``: 0 is ridge (default, a smooth problem solved by Newton steps), 1 the lasso, between them elastic net.
    ``clip``: where scaled features are cut. ``iterations``: the solver's limit.
    """

    inverse_strengths: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    l1_ratio: float = 0.0
    clip: float = 5.0
    iterations: int = 300

    def __post_init__(self) -> None:
        if not self.inverse_strengths or any(not one > 0 for one in self.inverse_strengths):
            raise ValueError(f"inverse_strengths are {list(self.inverse_strengths)}; list numbers above 0")
        between(self, 0, 1, "l1_ratio")
        above(self, 0, 1e6, "clip")
        between(self, 1, 1_000_000, "iterations")


@dataclass(frozen=True, slots=True, eq=False)
class FittedLinear:
    """P(label = 1) = logistic(intercept + coefficients · scaled row)."""

    name: str
    record: FitRecord
    scaler: Scaler
    coefficients: NDArray[np.float64]
    intercept: float

    def predict(self, panel: Panel, instrument: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """P(label = 1) at consecutive rows of one series, shape (n,); NaN where the row has a NaN."""
        return self.probability(consecutive(panel, instrument, rows))

    def probability(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(label = 1) of feature rows (n, f); each row's bits do not depend on the others."""
        products = self.scaler.transform(features) * self.coefficients
        margin: NDArray[np.float64] = products.sum(axis=1) + self.intercept
        return 1.0 / (1.0 + np.exp(-margin))

    def part(self) -> GraphPart:
        """The member as a graph fragment."""
        from models.graph.linear import linear_part

        scaler = self.scaler
        return linear_part(self.name, scaler.mean, scaler.scale, scaler.clip, self.coefficients, self.intercept)

    def save(self, folder: Path) -> None:
        """Write the scaler, the coefficients and the intercept as named arrays, ``linear.npz``."""
        scaler = self.scaler
        np.savez(
            folder / NATIVE_FILE,
            mean=scaler.mean,
            scale=scaler.scale,
            clip=scaler.clip,
            coefficients=self.coefficients,
            intercept=self.intercept,
        )

    @classmethod
    def load(cls, folder: Path, record: FitRecord) -> FittedLinear:
        """Read what `save` wrote; it predicts the same bytes. The record is kept elsewhere."""
        with np.load(folder / NATIVE_FILE, allow_pickle=False) as found:
            scaler = Scaler(found["mean"], found["scale"], float(found["clip"]))
            return cls(NAME, record, scaler, found["coefficients"], float(found["intercept"]))


@dataclass(frozen=True, slots=True)
class LinearMember:
    """Logistic regression behind the member protocol."""

    facts: ClassVar[MemberFacts] = FACTS

    config: LinearConfig = field(default_factory=LinearConfig)
    name: str = NAME

    def fit(
        self,
        panel: Panel,
        train: NDArray[np.int64],
        validation: NDArray[np.int64],
        seed: int,
        progress: Progress | None = None,
        along: Along = NOWHERE,
    ) -> FittedLinear:
        """Fit the path of penalties and keep the one with the lowest validation log loss.

        Raises
        ------
        MemberError
            If there is nothing to learn from (`models.members.training.take_both`).
        """
        rows, held_out = take_both(panel, train, validation)
        scaler = fit_scaler(rows.features, rows.weight, self.config.clip, panel.indicators)
        fits: list[FittedLinear] = []
        losses: list[float] = []
        for number, inverse_strength in enumerate(self.config.inverse_strengths):
            fits.append(self._fit_one(panel, rows, scaler, inverse_strength, seed))
            losses.append(log_loss(held_out.label, fits[-1].probability(held_out.features), held_out.weight))
            along.tell({"validation_log_loss": losses[-1]}, number + 1)
            if progress is not None:
                progress(f"{self.name}: penalty {number + 1}", (number + 1) / len(self.config.inverse_strengths))
        return self._chosen(panel, rows, fits, losses)

    def _fit_one(self, panel: Panel, rows: Rows, scaler: Scaler, inverse_strength: float, seed: int) -> FittedLinear:
        from sklearn.linear_model import LogisticRegression

        config = self.config
        # The data term of scikit-learn's objective grows with the weights' sum, so weights sum to the effective rows.
        model: Any = LogisticRegression(
            C=inverse_strength,
            l1_ratio=config.l1_ratio,
            solver="newton-cholesky" if config.l1_ratio == 0.0 else "saga",
            max_iter=config.iterations,
            tol=1e-6,
            random_state=seed,
        )
        model.fit(scaler.transform(rows.features), rows.label, rows.weight / rows.redundancy)
        return FittedLinear(self.name, FitRecord(), scaler, model.coef_[0].copy(), float(model.intercept_[0]))

    def _chosen(self, panel: Panel, rows: Rows, fits: list[FittedLinear], losses: list[float]) -> FittedLinear:
        best = int(np.argmin(losses))
        chosen = fits[best]
        importance = dict(zip(panel.feature_names, np.abs(chosen.coefficients).tolist(), strict=True))
        notes = {"inverse_strength": self.config.inverse_strengths[best], "effective_rows": rows.effective}
        return replace(chosen, record=FitRecord({"validation_log_loss": losses}, importance, notes))
