"""A model's card on the page of its version in MLflow's registry."""

from __future__ import annotations

from collections.abc import Sequence

from market.time import format_time
from models.bundle.store import AliasRecord
from pipelines.report.card import CARD_FILE, card, gates_text, held, lost
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


def standing_tags(digest: str, history: Sequence[AliasRecord]) -> dict[str, str]:
    """Since or until when each alias pointed to a version, and what the gates said: ``bot4.champion``, say.

    Examples
    --------
    >>> standing_tags("ab" * 32, [AliasRecord("spot", "champion", 1, "ab" * 32, 1, 0, 0, "Ada")])
    {'bot4.champion': 'since 1970-01-01, all 0 gates were passed'}
    """
    found = {
        f"bot4.{alias}": f"since {format_time(one.at)[:10]}, {gates_text(one)}"
        for alias, one in held(digest, history).items()
    }
    return found | {
        f"bot4.{alias}": f"until {format_time(one.at)[:10]}" for alias, one in lost(digest, history).items()
    }
