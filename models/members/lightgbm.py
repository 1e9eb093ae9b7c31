"""Gradient-boosted trees by LightGBM, native API: shallow, slowly learned, stopped early, exactly repeatable."""

from __future__ import annotations

from dataclasses import dataclass, field
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
from models.members.training import Rows, consecutive, take_both, usable

if TYPE_CHECKING:
    from models.graph.part import GraphPart

NAME = "lightgbm"
NATIVE_FILE = f"{NAME}.txt"
FACTS = MemberFacts(
    bound=0.0,
    library="lightgbm",
    distributions=("numpy", "scipy", "lightgbm", "onnx"),
    axis="boosting round",
    importance="gain",
    thin={"rounds": 40},
)
"""No bound: every operation of the graph is the library's."""


class LightgbmConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hyperparameters of LightGBM.

    ``rounds``: the most trees; ``patience`` rounds without a better validation loss stop the fit.
    ``leaves``, ``depth``: the size of a tree. ``learning_rate``: shrinkage of each.
    ``leaf_rows``: the fewest *effective* rows in a leaf; overlapping labels make this many more plain rows.
    ``l2``: penalty on leaf values. ``feature_share``, ``row_share``: drawn anew for each tree.
    ``threads``: one is exactly repeatable everywhere; the deterministic mode agrees with two.
    """

    rounds: int = 600
    patience: int = 40
    leaves: int = 15
    depth: int = 5
    learning_rate: float = 0.03
    leaf_rows: int = 40
    l2: float = 5.0
    feature_share: float = 0.6
    row_share: float = 0.8
    threads: int = 1

    def __post_init__(self) -> None:
        between(self, 1, 100_000, "rounds", "patience")
        between(self, 1, 1e9, "leaf_rows")
        between(self, 2, 131_072, "leaves")
        between(self, 1, 64, "depth")
        between(self, 0, 1e15, "l2")
        between(self, 1, 1024, "threads")
        above(self, 0, 1, "learning_rate", "feature_share", "row_share")


@dataclass(frozen=True, slots=True, eq=False)
class FittedLightgbm:
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
        return np.asarray(self.booster.predict(features, num_threads=1), np.float64)

    def part(self) -> GraphPart:
        """The member as a graph fragment."""
        from models.graph.lightgbm import lightgbm_part

        return lightgbm_part(self.name, self.booster, self.features)

    def save(self, folder: Path) -> None:
        """Write the booster as LightGBM's own text, ``lightgbm.txt``."""
        (folder / NATIVE_FILE).write_text(self.booster.model_to_string(), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, record: FitRecord) -> FittedLightgbm:
        """Read what `save` wrote; it predicts the same bytes. The record is kept elsewhere."""
        import lightgbm

        booster = lightgbm.Booster(model_str=(folder / NATIVE_FILE).read_text(encoding="utf-8"))
        return cls(NAME, record, booster, booster.num_feature())


@dataclass(frozen=True, slots=True)
class LightgbmMember:
    """LightGBM behind the member protocol."""

    facts: ClassVar[MemberFacts] = FACTS

    config: LightgbmConfig = field(default_factory=LightgbmConfig)
    name: str = NAME

    def fit(
        self,
        panel: Panel,
        train: NDArray[np.int64],
        validation: NDArray[np.int64],
        seed: int,
        progress: Progress | None = None,
        along: Along = NOWHERE,
    ) -> FittedLightgbm:
        """Boost until the validation log loss has not improved for ``patience`` rounds.

        Raises
        ------
        MemberError
            If there is nothing to learn from (`models.members.training.take_both`).
        """
        import lightgbm

        rows, held_out = take_both(panel, train, validation)
        curves: dict[str, dict[str, list[float]]] = {}
        data = lightgbm.Dataset(rows.features, rows.label, weight=rows.weight, free_raw_data=False)
        booster = lightgbm.train(
            parameters(self.config, rows, seed),
            data,
            num_boost_round=self.config.rounds,
            valid_sets=[data, data.create_valid(held_out.features, held_out.label, weight=held_out.weight)],
            valid_names=["train", "validation"],
            callbacks=[
                lightgbm.early_stopping(self.config.patience, first_metric_only=True, verbose=False),
                lightgbm.record_evaluation(curves),
                self._reporter(progress, along),
            ],
        )
        if progress is not None:
            progress(f"{self.name}: done", 1.0)
        return self._best_rounds(panel, rows, booster, curves)

    def _reporter(self, progress: Progress | None, along: Along) -> Any:
        def report(env: Any) -> None:
            step = env.iteration + 1
            along.tell({f"{name}_log_loss": value for name, _, value, *_ in env.evaluation_result_list}, step)
            if progress is not None:
                progress(f"{self.name}: round {step}", step / self.config.rounds)

        return report

    def _best_rounds(
        self, panel: Panel, rows: Rows, booster: Any, curves: dict[str, dict[str, list[float]]]
    ) -> FittedLightgbm:
        import lightgbm

        best = max(1, booster.best_iteration)
        # A booster read back from text holds its best trees and nothing of the data it was trained on.
        cut = lightgbm.Booster(model_str=booster.model_to_string(num_iteration=best))
        gains = booster.feature_importance(importance_type="gain", iteration=best)
        record = FitRecord(
            curves={f"{name}_log_loss": curve["binary_logloss"] for name, curve in curves.items()},
            importance=dict(zip(panel.feature_names, gains.tolist(), strict=True)),
            notes={"best_round": best, "effective_rows": rows.effective},
        )
        return FittedLightgbm(self.name, record, cut, len(panel.feature_names))


def parameters(config: LightgbmConfig, rows: Rows, seed: int) -> dict[str, Any]:
    """What LightGBM is told, in its own names."""
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": config.learning_rate,
        "num_leaves": config.leaves,
        "max_depth": config.depth,
        "min_data_in_leaf": leaf_rows(config.leaf_rows, rows),
        "lambda_l2": config.l2,
        "feature_fraction": config.feature_share,
        "bagging_fraction": config.row_share,
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": config.threads,
        "verbosity": -1,
    }


def leaf_rows(effective: int, rows: Rows) -> int:
    """The fewest plain rows in a leaf that hold ``effective`` independent ones; at most an eighth of all rows.

    Examples
    --------
    >>> rows = Rows(np.empty((1000, 1)), np.empty(1000), np.empty(1000), effective=500.0)
    >>> leaf_rows(40, rows)
    80
    """
    return max(1, min(int(np.ceil(effective * rows.redundancy)), len(rows.label) // 8))
