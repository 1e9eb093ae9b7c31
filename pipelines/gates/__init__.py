"""The gates of promotion: what must hold before an alias points to a model, each with a verdict in words.

Each gate is a function of one idea, from evidence to a verdict: what was measured, and what was needed.
"""

from __future__ import annotations

from pipelines.gates.config import GateConfig, load_gates
from pipelines.gates.evidence import Evidence, find_result, gather
from pipelines.gates.judge import verdicts

__all__ = ["Evidence", "GateConfig", "find_result", "gather", "load_gates", "verdicts"]
