"""A model's card on the page of its version in MLflow's registry."""

from __future__ import annotations

from collections.abc import Sequence

from models.bundle.store import AliasRecord
from pipelines.report.card import CARD_FILE, card
from pipelines.report.markdown import shortened
from pipelines.results import RunResult
from pipelines.verdict import verdict

LONGEST = 5000
"""Characters that MLflow keeps of a version's description."""
WHOLE = f"*What did not fit here stands in `{CARD_FILE}` among the run's artefacts.*"


def card_text(result: RunResult, history: Sequence[AliasRecord] = ()) -> str:
    """The card as a version's description: as much of it, in whole sections, as MLflow keeps."""
    return shortened(card(result, history), LONGEST, WHOLE)


def version_tags(result: RunResult) -> dict[str, str]:
    """What versions are listed and filtered by."""
    said = verdict(result)
    return {
        "bot4.run_id": result.run_id,
        "bot4.config_digest": result.config_digest,
        "bot4.prediction_supported": str(said.prediction_supported).lower(),
        "bot4.profit_supported": str(said.profit_supported).lower(),
        "bot4.certified": str(bool(result.certificate.get("passed"))).lower(),
    }
