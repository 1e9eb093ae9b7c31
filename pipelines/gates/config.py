"""What the gates ask for: thresholds of promotion, in a file of their own.

They decide no result, so they stand in no run's configuration: another threshold must not make another run of it, and
whoever trains a model does not choose by what it is judged. The verdicts that are kept with an alias state them.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from pipelines.toml import load_toml


class GateConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The thresholds of a champion's gates; ``bot4 models promote --gates FILE`` reads them from TOML.

    ``calibration``: the expected calibration error that is small enough whatever chance says, and
    ``calibration_chance`` the largest that chance may reach, else there is not enough evidence. ``margin``: by how much
    a champion's successor may be worse, nats per decision; ``return_margin``: how much less its strategy may earn a
    day after costs, as a share of its wealth. ``not_worse`` and ``better``: the one-sided confidences that
    it is not worse by the margin, and that it is better at all. ``power``: with which a difference of the margin must
    be seen, else there is not enough evidence. ``blocks``: the fewest blocks of time that a bootstrap draws from, and
    ``draws`` how often. ``latency_p50_us``, ``latency_p99_us``: the most one decision of the graph may take on this
    machine, µs. ``drift``: how often data that have not changed may be called drifted; 1 / ``drift`` − 1 stretches of
    the training data are needed. ``expiry``: how long after its training a model may be promoted, as a share of the
    training window. ``seed``: of the bootstraps.
    """

    calibration: float = 0.02
    calibration_chance: float = 0.1
    margin: float = 0.005
    return_margin: float = 0.001
    not_worse: float = 0.95
    better: float = 0.8
    power: float = 0.8
    blocks: int = 10
    draws: int = 2000
    latency_p50_us: float = 500.0
    latency_p99_us: float = 2000.0
    drift: float = 0.05
    expiry: float = 0.5
    seed: int = 7

    def __post_init__(self) -> None:
        for name in (
            "calibration",
            "calibration_chance",
            "margin",
            "return_margin",
            "latency_p50_us",
            "latency_p99_us",
            "expiry",
        ):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive and finite")
        for name in ("not_worse", "better", "power"):
            if not 0.5 < getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; a confidence lies between 0.5 and 1")
        if not 0.01 <= self.drift <= 0.34:
            raise ValueError(f"drift is {self.drift}; it must lie between 0.01 (99 stretches) and 0.34 (2)")
        if self.blocks < 4:
            raise ValueError(f"blocks is {self.blocks}; fewer than 4 blocks of time say nothing about others")
        if self.draws < 100:
            raise ValueError(f"draws is {self.draws}; fewer than 100 draws say nothing about a tail")

    @property
    def stretches(self) -> int:
        """How many stretches of training data the newest one is held against.

        Examples
        --------
        >>> GateConfig().stretches, GateConfig(drift=0.1).stretches
        (19, 9)
        """
        return round(1.0 / self.drift) - 1


def load_gates(path: Path | None) -> GateConfig:
    """The thresholds of a file; without one, the defaults.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, or has an unknown or impossible value.
    """
    return GateConfig() if path is None else load_toml(path, GateConfig, {})
