"""Where a model tells instruments apart, research and the live process tell it the same, bar by bar."""

from __future__ import annotations

import shutil

import msgspec
import numpy as np
import pytest

from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.events import Kind
from models.bundle.bundle import MANIFEST, Bundle, write
from models.bundle.errors import BundleError, DamagedBundle, IncompatibleBundle
from models.bundle.golden import self_test
from models.bundle.instruments import Indicators
from pipelines.paper import parity, research
from serving.predictor import Predictor
from serving.scores import read_scores
from tests.serving.small_loop import CONFIG, FEATURES, INTERVAL, SYMBOLS, TRAINED, ran, walk, write_bundle
from trading.journal import read_journal

CROSS = FeatureSet(("rsi_14", "market_momentum_24", "ewma_volatility_24"), INTERVAL, 8)


@pytest.fixture(scope="module", params=["features of its own bars", "features of the panel"])
def bundle(request, tmp_path_factory):
    wanted = FEATURES if "own" in request.param else CROSS
    return write_bundle(tmp_path_factory.mktemp("bundle") / "aware", wanted, instruments=SYMBOLS)


@pytest.fixture(scope="module")
def run(bundle, tmp_path_factory):
    """A loop that has run over the bars behind the bundle."""
    return ran(bundle, tmp_path_factory.mktemp("place"))


def test_live_is_research_in_every_byte(bundle, run):
    place, folders = run
    found = parity(research(bundle, CONFIG, place), folders, "small")
    assert {one.what for one in found} == {"feature rows", "probabilities", "orders", "journal records"}
    assert all(one.rows == one.equal > 0 for one in found)
    assert (read_journal(folders.journal("small")).events["kind"] == Kind.SIGNAL).sum() == 120


def test_the_rows_that_are_scored_are_the_features_and_the_instrument(bundle, run):
    """By the graph alone, over rows put together here by hand."""
    _, folders = run
    scores = read_scores(folders.scores("small"))
    bars = [walk(seed) for seed in range(len(SYMBOLS))]
    panel = bundle.panel()
    if panel is not None:
        panel.reset()
        bars = panel.replay(bars)
    for number in range(len(SYMBOLS)):
        features = FeatureEngine(bundle.feature_set()).replay(bars[number])
        rows = np.concatenate([features, np.tile(np.eye(len(SYMBOLS))[number], (len(features), 1))], axis=1)
        said = bundle.runner().run_rows(rows)[1][TRAINED:]
        assert np.isfinite(said).all()
        assert scores["probability"][scores["instrument"] == number].tobytes() == said.tobytes()


def test_one_bar_is_answered_for_each_instrument_by_what_was_learned_of_it(tmp_path):
    """Both get the same bars; without a wait for each other."""
    bundle = write_bundle(tmp_path / "aware", walk=lambda seed, count=260: walk(0, count), instruments=SYMBOLS)
    predictor = Predictor(bundle, SYMBOLS)
    assert predictor.panel is None
    first, second = (
        np.array([predictor.observe(symbol, walk(0)[row : row + 1]).probability for row in range(TRAINED, 260)])
        for symbol in SYMBOLS
    )
    logit = np.log(first / (1 - first)) - np.log(second / (1 - second))
    np.testing.assert_allclose(logit, 0.2, atol=1e-12)


def test_an_instrument_it_has_not_learned_of_is_refused_by_name(bundle):
    with pytest.raises(
        BundleError, match="tells instruments apart and has not learned of CCC; it knows AAA, BBB: serve"
    ):
        Predictor(bundle, ("AAA", "CCC"))


def test_without_it_an_instrument_only_lacks_a_state(tmp_path):
    with pytest.raises(BundleError, match="has no state of 'CCC'; it has AAA, BBB: warm up instead"):
        Predictor(write_bundle(tmp_path / "plain"), ("AAA", "CCC"))


def test_golden_rows_say_whose_they_are_and_are_computed_again(bundle):
    golden = bundle.golden()
    assert golden.symbol == "BBB"
    assert (golden.features[:, -2:] == [0.0, 1.0]).all()
    assert self_test(bundle).exact


def test_golden_rows_of_another_instrument_are_noticed(bundle, tmp_path):
    other = msgspec.structs.replace(bundle.manifest.features, instruments=SYMBOLS[::-1])
    swapped = msgspec.structs.replace(bundle.manifest, features=other)
    object.__setattr__(changed := Bundle(tmp_path, "", bundle.manifest, bundle.attestation, bundle.files), "manifest",
                       swapped)  # fmt: skip
    with pytest.raises(IncompatibleBundle, match="instrument_BBB"):
        self_test(changed)


def test_a_bundle_that_tells_nothing_apart_says_nothing_of_it(tmp_path):
    bundle = write_bundle(tmp_path / "plain")
    assert b'"instruments"' not in (tmp_path / "plain" / MANIFEST).read_bytes().split(b'"instruments":[{')[0]
    assert "golden/symbol" not in bundle.files
    assert (bundle.manifest.features.columns, bundle.golden().symbol) == (FEATURES.names, "")


def test_parts_that_do_not_belong_together_are_refused(bundle, tmp_path):
    manifest, states = bundle.manifest, {}
    for told, match in (
        (("AAA", "CCC"), r"tells \['AAA', 'CCC'\] apart, .* are \['AAA', 'BBB'\]"),
        ((), "has 3 features"),
    ):
        features = msgspec.structs.replace(manifest.features, instruments=told)
        wrong = msgspec.structs.replace(manifest, features=features)
        with pytest.raises(BundleError, match=match):
            write(tmp_path / "wrong", wrong, bundle.model, bundle.golden(), states)
    assert not (tmp_path / "wrong").exists()


def test_a_graph_of_another_width_is_refused(bundle, tmp_path):
    shutil.copytree(bundle.folder, tmp_path / "copy")
    found = Bundle.load(tmp_path / "copy")
    narrow = msgspec.structs.replace(found.manifest.features, instruments=())
    object.__setattr__(found, "manifest", msgspec.structs.replace(found.manifest, features=narrow))
    with pytest.raises(DamagedBundle, match="lists 3 features, the graph reads 5"):
        found.runner()


def test_the_names_of_all_columns_are_the_row_s_in_order(bundle):
    listed = bundle.manifest.features
    assert listed.columns == (*listed.names, "instrument_AAA", "instrument_BBB")
    assert listed.indicators == Indicators(SYMBOLS)
    assert bundle.runner().features == len(listed.columns) == 5
