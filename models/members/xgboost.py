"""Gradient-boosted trees by XGBoost, native API: histograms, shallow trees, stopped early, exactly repeatable."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.dataset import Panel
from models.members.along import NOWHERE, Along
from models.members.device import Device, training_device, xgboost_sees_cuda
from models.members.domain import above, between
from models.members.facts import MemberFacts
from models.members.protocol import FitRecord, Progress
from models.members.training import Rows, consecutive, take_both, usable

if TYPE_CHECKING:
    from models.graph.part import GraphPart

NAME = "xgboost"
NATIVE_FILE = f"{NAME}.ubj"
FACTS = MemberFacts(
    bound=2.0**-23,
    library="xgboost",
    distributions=("numpy", "scipy", "xgboost", "onnx"),
    axis="boosting round",
    importance="gain",
    thin={"rounds": 40},
)
"""The margin is the same in every bit; the probability may differ in the last bit of its float32 exponential (measured:
1 in 10,000 rows, by 6e-8)."""
PREDICTS = {"nthread": 1, "device": "cpu"}
"""How a fitted booster predicts, wherever it was trained."""


class XgboostConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hyperparameters of XGBoost.

    ``rounds``: the most trees; ``patience`` rounds without a better validation loss stop the fit.
    ``depth``: of a tree. ``learning_rate``: shrinkage of each.
    ``leaf_rows``: the fewest *effective* rows in a leaf (as a sum of second derivatives, a quarter of a row each).
    ``l2``: penalty on leaf values. ``feature_share``, ``row_share``: drawn anew for each tree. ``bins``: of the
    histograms. ``threads``: one is exactly repeatable everywhere.
    ``device``: where it is trained, ``cpu``, ``cuda`` or ``auto`` (`models.members.device`); it predicts on the CPU.
    """

    rounds: int = 600
    patience: int = 40
    depth: int = 4
    learning_rate: float = 0.03
    leaf_rows: int = 40
    l2: float = 5.0
    feature_share: float = 0.6
    row_share: float = 0.8
    bins: int = 256
    threads: int = 1
    device: Device = "cpu"

    def __post_init__(self) -> None:
        between(self, 1, 100_000, "rounds", "patience")
        between(self, 1, 1e9, "leaf_rows")
        between(self, 1, 64, "depth")
        between(self, 0, 1e15, "l2")
        between(self, 2, 65_536, "bins")
        between(self, 1, 1024, "threads")
        above(self, 0, 1, "learning_rate", "feature_share", "row_share")


@dataclass(frozen=True, slots=True, eq=False)
class FittedXgboost:
    """A booster cut off after its best round."""

    name: str
    record: FitRecord
    booster: Any
    features: int

    def predict(self, panel: Panel, instrument: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """P(label = 1) at consecutive rows of one series, shape (n,); NaN where the row has a NaN."""
        features = consecutive(panel, instrument, rows)
        out = np.full(len(features), np.nan)
        good = usable(features)
        if good.any():
            out[good] = self.probability(features[good])
        return out

    def probability(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(label = 1) of feature rows (n, f); a NaN goes where the library sends it."""
        return np.asarray(self.booster.inplace_predict(features), np.float64)

    def part(self) -> GraphPart:
        """The member as a graph fragment."""
        from models.graph.xgboost import xgboost_part

        return xgboost_part(self.name, self.booster, self.features)

    def save(self, folder: Path) -> None:
        """Write the booster as XGBoost's own binary JSON, ``xgboost.ubj``."""
        (folder / NATIVE_FILE).write_bytes(self.booster.save_raw("ubj"))

    @classmethod
    def load(cls, folder: Path, record: FitRecord) -> FittedXgboost:
        """Read what `save` wrote; it predicts the same bytes. The record is kept elsewhere."""
        import xgboost

        booster = xgboost.Booster(PREDICTS, model_file=bytearray((folder / NATIVE_FILE).read_bytes()))
        return cls(NAME, record, booster, booster.num_features())


@dataclass(frozen=True, slots=True)
class XgboostMember:
    """XGBoost behind the member protocol."""

    facts: ClassVar[MemberFacts] = FACTS

    config: XgboostConfig = field(default_factory=XgboostConfig)
    name: str = NAME

    def fit(
        self,
        panel: Panel,
        train: NDArray[np.int64],
        validation: NDArray[np.int64],
        seed: int,
        progress: Progress | None = None,
        along: Along = NOWHERE,
    ) -> FittedXgboost:
        """Boost until the validation log loss has not improved for ``patience`` rounds.

        Raises
        ------
        MemberError
            If there is nothing to learn from (`models.members.training.take_both`), or no GPU where one is asked for.
        """
        import xgboost

        device = training_device(self.config.device, xgboost_sees_cuda, "xgboost")

        rows, held_out = take_both(panel, train, validation)
        data, valid = (
            xgboost.DMatrix(part.features, part.label, weight=part.weight, nthread=self.config.threads)
            for part in (rows, held_out)
        )
        curves: dict[str, dict[str, list[float]]] = {}
        booster = xgboost.train(
            parameters(self.config, rows, seed, device),
            data,
            num_boost_round=self.config.rounds,
            evals=[(data, "train"), (valid, "validation")],
            early_stopping_rounds=self.config.patience,
            evals_result=curves,
            verbose_eval=False,
            callbacks=[self._reporter(progress, along)],
        )
        if progress is not None:
            progress(f"{self.name}: done", 1.0)
        return self._best_rounds(panel, rows, booster, curves, device)

    def _reporter(self, progress: Progress | None, along: Along) -> Any:
        from xgboost.callback import TrainingCallback

        name, rounds = self.name, self.config.rounds

        class Report(TrainingCallback):  # type: ignore[misc]
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                along.tell({f"{part}_log_loss": losses["logloss"][-1] for part, losses in evals_log.items()}, epoch + 1)
                if progress is not None:
                    progress(f"{name}: round {epoch + 1}", (epoch + 1) / rounds)
                return False

        return Report()

    def _best_rounds(
        self, panel: Panel, rows: Rows, booster: Any, curves: dict[str, dict[str, list[float]]], device: str
    ) -> FittedXgboost:
        best = booster.best_iteration + 1
        cut = booster[:best]
        cut.set_param(PREDICTS)
        gains = cut.get_score(importance_type="total_gain")
        record = FitRecord(
            curves={f"{name}_log_loss": list(curve["logloss"]) for name, curve in curves.items()},
            importance={name: float(gains.get(f"f{column}", 0.0)) for column, name in enumerate(panel.feature_names)},
            notes={"best_round": best, "effective_rows": rows.effective, "device": device},
        )
        return FittedXgboost(self.name, record, cut, len(panel.feature_names))


def parameters(config: XgboostConfig, rows: Rows, seed: int, device: str) -> dict[str, Any]:
    """What XGBoost is told, in its own names."""
    fewest = min(config.leaf_rows * rows.redundancy, len(rows.label) / 8)
    return {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "max_bin": config.bins,
        "eta": config.learning_rate,
        "max_depth": config.depth,
        "min_child_weight": 0.25 * fewest,
        "lambda": config.l2,
        "colsample_bytree": config.feature_share,
        "subsample": config.row_share,
        "seed": seed,
        "nthread": config.threads,
        "device": device,
        "verbosity": 0,
    }
