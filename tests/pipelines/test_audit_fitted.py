"""The audit of fitted features: clean in the real stages; what is fitted on bars outside its training window is named.

The leaks are put into the functions that the stage and the auditor share, as a real mistake would be.
"""

from __future__ import annotations

import msgspec
import pytest

from pipelines.audit import outside
from pipelines.audit.findings import CLEAN, UNTOUCHED
from pipelines.audit.pipeline import audit_run
from pipelines.config import RunConfig
from pipelines.stages import fitted
from tests.pipelines.audited import RAW, columns, leaking, trained

VALUES = {"quantile_entropy_8_96": "return_quantiles_8", "fractional_log_price_64": "fractional_64"}
CONFIG = msgspec.convert(
    {**RAW, "features": {"names": ["rsi_14", *VALUES, "ewma_volatility_96"]}, "members": {"linear": {}}}, RunConfig
)
WINDOW = "fitted/features, window"
TESTED = 3
"""The fold that a sampled audit of six folds looks at: its cuts lie in this fold's test."""


def of_folds(*folds, names=tuple(VALUES)):
    """What features of some folds are fitted to, and the features that follow from it."""
    pairs = [(name, fold) for name in names for fold in folds]
    return {f"features/{name}, fold {fold}" for name, fold in pairs} | {
        f"fitted/{VALUES[name]}, fold {fold}" for name, fold in pairs
    }


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    base = trained(tmp_path_factory.mktemp("fitted"), 6, CONFIG)
    found = audit_run(base)
    window = base.windows[TESTED - 1]
    assert all(window.test_start < cut < window.test_stop for cut in found.cuts)
    return found


def test_fitted_features_are_clean_and_move_where_they_may(sampled):
    assert sampled.clean, sampled.leaks
    found = {f"{one.stage}/{one.column}": one for one in sampled.findings}
    # Every feature moves behind a cut; what it is fitted to moves only where the training ends behind one.
    free = [one for one in of_folds(*range(1, 7)) if one.startswith("features/")]
    free += [f"fitted/{name}, fold {fold}" for name in VALUES.values() for fold in (5, 6)]
    for name in (WINDOW, *free):
        assert (found[name].verdict, found[name].moved > 0, found[name].compared > 0) == (CLEAN, True, True), name
    for name in (f"fitted/{name}, fold {fold}" for name in VALUES.values() for fold in (1, 2, 3)):
        assert (found[name].verdict, found[name].compared > 0) == (UNTOUCHED, True), name


def every_bar(given, bars, spans, real=fitted.fit_over):
    return real(given, bars, [(0, 2**62)])


def until_tested(window):
    return ((window.train_start, window.test_stop),)


def from_the_beginning(window):
    return ((0, window.train_stop),)


LEAKS = {
    "fitted on every bar": ("fit_over", every_bar, of_folds(1, 2, 3)),
    # The order of differencing is one of a grid: what the test adds to one window moves no order.
    "fitted until the test ends": ("window_spans", until_tested, of_folds(TESTED, names=["quantile_entropy_8_96"])),
    # No future is looked at: only the bars before the window tell.
    "fitted from the data's beginning": ("window_spans", from_the_beginning, set()),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_features_fitted_outside_their_window_are_named(leak, monkeypatch, tmp_path):
    function, planted, wanted = LEAKS[leak]
    for module in (fitted, outside):
        monkeypatch.setattr(module, function, planted)
    leaks = columns(leaking(tmp_path, CONFIG).leaks)
    assert {one for one in leaks if one.startswith(("features/", "fitted/"))} == {WINDOW, *wanted}
    assert ("predictions/linear" in leaks) == bool(wanted)
