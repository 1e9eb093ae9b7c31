"""``bot4 features``: what it lists, shows and writes is what the catalogue holds."""

import inspect
import json
import re

import pytest
from typer.testing import CliRunner

from features.catalogue import CATALOGUE, CORE_CATALOGUE, GROUPS, default_features, disabled_features
from features.catalogue.costs import NANOSECONDS
from features.plan import make_plan
from market.bars import FIELDS, PANEL_FIELDS
from pipelines.catalogue.entries import entries
from pipelines.catalogue.kinds import KINDS
from pipelines.catalogue.text import disabled_by, facts, sources, steps, taken_by
from pipelines.cli import app

RUNNER = CliRunner()
OWN = """
from features.blocks import LOG_RETURN, apply
from features.feature import Feature
from market.jit import kernel

GAIN = 1e6


@kernel
def cubed(x):
    return x * x * x * GAIN


FEATURES = (
    Feature("cubed_return", apply(cubed, LOG_RETURN), 1.0, "1", "log return cubed", "own"),
    Feature("dear_return", apply(cubed, LOG_RETURN), 1.0, "1", "the same", "own", cost="expensive"),
)
"""
ENTRIES = entries(CATALOGUE)


def run(*arguments):
    return RUNNER.invoke(app, ["features", *map(str, arguments)], prog_name="bot4")


def names(*arguments):
    done = run("list", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return [one["name"] for one in json.loads(done.stdout)]


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_the_list_has_every_feature_a_line_in_order():
    lines = run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:-2]] == list(CATALOGUE)
    assert lines[-1] == f"{len(CATALOGUE)} of {len(CATALOGUE)} features"
    assert len({len(line) - len(line.lstrip()) for line in lines}) == 1
    (found,) = [line for line in lines if line.startswith("sup_adf_96 ")]
    cost = f"{NANOSECONDS['sup_adf_96']:,} ns"
    assert re.split(r"  +", found)[1:7] == ["breaks", "t-value", "96", "96", "close", cost]


def test_filters_leave_what_they_say():
    assert names("--group", "breaks") == [one.name for one in GROUPS["breaks"]]
    takers = [name for name, one in CATALOGUE.items() if "taker_buy_volume" in one.fields]
    assert names("--needs", "taker_buy_volume") == takers
    both = [name for name in takers if "trade_count" in CATALOGUE[name].fields]
    assert names("--needs", "taker_buy_volume", "--needs", "trade_count") == both
    assert names("--search", "WILDER") == [name for name, one in CATALOGUE.items() if "Wilder" in one.source]
    assert names("--group", "returns", "--kind", "expensive") == []


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_divide_the_catalogue_as_it_says_itself(kind):
    expected = {
        "cheap": [name for name, one in CATALOGUE.items() if one.cost == "cheap"],
        "expensive": list(NANOSECONDS),
        "book": [one.name for one in GROUPS["book"]],
        "cross": [one.name for one in GROUPS["cross"]],
        "fitted": [name for name, one in CATALOGUE.items() if one.fitted],
        "plugin": [],
    }
    assert sorted(names("--kind", kind)) == sorted(expected[kind])


def test_json_says_what_the_catalogue_says():
    for one in json.loads(run("list", "--json").stdout):
        feature = CATALOGUE[one["name"]]
        assert feature in GROUPS[one["group"]]
        assert (one["formula"], one["unit"], one["source"]) == (feature.meaning, feature.unit, feature.source)
        assert (one["warmup"], one["memory"], one["scale"]) == (feature.warmup, feature.memory, feature.scale)
        assert set(one["fields"]) == feature.fields
        assert one["nanoseconds"] == NANOSECONDS.get(feature.name)
        assert one["parameters"] == dict(feature.parameters)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "rsi_15"), "did you mean rsi_14"),
        (("show", "RSI-14"), "did you mean rsi_14"),
        (("show", "zzzzzzzz"), "`bot4 features list` shows all"),
        (("list", "--group", "momentum"), "there are returns, trend"),
        (("list", "--needs", "taker_volume"), "did you mean taker_buy_volume"),
    ],
)
def test_what_is_mistyped_gets_the_nearest_names_and_code_2(arguments, said):
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stdout == ""


def test_nothing_that_fits_is_said():
    done = run("list", "--search", "no such words")
    assert (done.exit_code, done.stdout) == (0, "no feature fits\n")


def test_show_has_formula_steps_and_the_text_of_every_kernel():
    done = run("show", "rsi_14")
    assert done.exit_code == 0
    feature = CATALOGUE["rsi_14"]
    assert " ".join(feature.meaning.split()) in " ".join(done.stdout.split())
    for node in make_plan((feature,)).nodes:
        assert inspect.getsource(getattr(node.kernel, "py_func", node.kernel)).rstrip() in done.stdout
    assert "features.kernels.recursive.NOTHING = 1e-120" in done.stdout
    assert "1  previous(close)\n" in done.stdout


def test_show_as_json_has_the_same():
    found = json.loads(run("show", "sign_entropy_96", "--json").stdout)
    assert found["kernels"] == sources(CATALOGUE["sign_entropy_96"])
    assert found["steps"] == steps(CATALOGUE["sign_entropy_96"])
    assert found["constants"]["features.kernels.entropy.COUNT_LOGS"] == "float64 (1025,)"


@pytest.mark.parametrize("name", CATALOGUE)
def test_steps_are_the_plans_in_an_order_that_can_run(name):
    plan = make_plan((CATALOGUE[name],))
    found = steps(CATALOGUE[name])
    assert sorted(re.split(r"\s+|\(", one.strip())[1] for one in found) == sorted(
        node.kernel.__name__ for node in plan.nodes
    )
    for number, text in enumerate(found, 1):
        assert int(text.split()[0]) == number
        assert all(int(used) < number for used in re.findall(r"step (\d+)", text))
    assert {f"{node.kernel.__module__}.{node.kernel.__name__}" for node in plan.nodes} <= set(sources(CATALOGUE[name]))


def test_which_configurations_take_a_feature():
    default, everything = default_features(FIELDS, CORE_CATALOGUE), default_features(FIELDS)
    for name, one in ENTRIES.items():
        said = taken_by(one)
        assert ('"default"' in said) == (name in default)
        assert ('"all"' in said) == (name in everything)


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_is_missing_disables_what_is_said_to_read_it(field):
    off = disabled_features(set(FIELDS) - {field})
    said = [name for name, one in ENTRIES.items() if re.search(rf"\b{field}\b", " ".join(disabled_by(one)))]
    assert set(off) == {name for name in said if name in default_features(FIELDS)}


def test_what_else_disables_a_feature():
    panel, fitted = disabled_by(ENTRIES["cross_volume_rank"]), disabled_by(ENTRIES["regime_calm_3"])
    assert "panel" in " ".join(panel)
    assert set(ENTRIES["cross_volume_rank"].fields) <= set(PANEL_FIELDS)
    assert "fit" in " ".join(fitted)
    assert dict(facts(ENTRIES["rsi_14"]))["other units"].startswith("the same value")
    assert dict(facts(ENTRIES["fractional_log_price_64"]))["other units"].startswith(
        "another value where the unit of price"
    )
    assert disabled_by(ENTRIES["hour_sin"]) == ["nothing: every bar has a time"]
    assert ("fitted hidden_markov_3", "18 numbers, on training bars only") in facts(ENTRIES["regime_calm_3"])


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_facts_have_a_line_for_all_that_is_known_and_none_that_says_nothing(name):
    feature, rows = CATALOGUE[name], dict(facts(ENTRIES[name]))
    assert all(rows.values())
    assert ("panel" in rows) == (feature in GROUPS["cross"])
    assert ("parameters" in rows) == bool(feature.parameters)
    said = {None: "all of history", 1: "this bar alone decides its bits"}
    assert rows["memory"] == said.get(feature.memory, f"the last {feature.memory} bars decide its bits")
    assert feature.warmup == int((re.findall(r"from bar (\d+) on", rows["warm-up"]) or ["1"])[0])


def test_features_of_ones_own_are_listed_and_shown(own):
    assert names("--file", own, "--kind", "plugin") == ["cubed_return", "dear_return"]
    assert names("--file", own)[: len(CATALOGUE)] == list(CATALOGUE)
    assert "expensive, not measured" in run("list", "--file", own, "--search", "dear_return").stdout
    shown = run("show", "cubed_return", "--file", own).stdout
    assert "return x * x * x * GAIN" in shown
    assert ".GAIN = 1000000.0" in shown
    assert "by name only" in shown
    assert run("show", "cubed_return").exit_code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FEATURES = ()", "FEATURES is empty"),
        ("import nothing_of_this_name", "cannot be run"),
        (OWN.replace("cubed_return", "rsi_14"), "is also in the catalogue"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(own, text, said):
    own.write_text(text)
    done = run("list", "--file", own)
    assert done.exit_code == 2
    assert said in done.stderr
    assert own.name in done.stderr
