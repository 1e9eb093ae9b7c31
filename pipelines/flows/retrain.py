"""The retraining flow: new data, quality, drift, training, challenger, gates, report.

Every step finds what an earlier try left behind, and the report in the run's folder, which is written last, says that
nothing is left to do: the flow may be killed at any moment and run again. The same data, configuration and code are the
same trial, which is recorded, trained and registered once.
"""

from __future__ import annotations

import time
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from market.lake import Lake
from market.sources import source_of
from market.time import DAY
from models.bundle.errors import BundleError
from models.bundle.names import CHALLENGER, CHAMPION
from models.bundle.store import ModelStore
from pipelines.config import RunConfig
from pipelines.errors import StageError
from pipelines.flows.release import track_and_mirror, write_html
from pipelines.flows.retries import RETRIES
from pipelines.flows.train import find_data, train_flow
from pipelines.gates.drift import drift_gate
from pipelines.gates.evidence import drifted, newest
from pipelines.gates.text import refusal
from pipelines.ledger.record import RETRAINED, new_trial
from pipelines.ledger.store import Ledger
from pipelines.progress import Stage, showing
from pipelines.promotion import Judged, judge
from pipelines.report.card import held, lost
from pipelines.report.view import second
from pipelines.results import RESULT_FILE, RunResult
from pipelines.retraining import Plan, Retraining, Step, alone, find_retraining, load_plan
from pipelines.stages.data import DataFacts, held_spans, instruments, series_key
from pipelines.stages.environment import code_digest
from pipelines.tracking.finished import bundle_of
from pipelines.update import update_lake
from pipelines.workspace import Workspace


@flow(name="retrain", flow_run_name="retrain {conf}")
def retrain_flow(conf: str, workspace: str) -> Retraining:
    """Train a run again on what is new, if anything is.

    Parameters
    ----------
    conf
        The retraining's configuration file.
    workspace
        The workspace's folder.

    Raises
    ------
    StageError
        If the data do not pass the quality gates, or another process retrains the model; nothing is trained then.
    """
    plan, place = load_plan(Path(conf)), Workspace(Path(workspace))
    with alone(place, plan.config.name), showing(plan.config.name) as progress:
        found = retrain(plan, place, progress)
    create_markdown_artifact(key="retraining", markdown=found.markdown)
    get_run_logger().info("%s", found.headline)
    return found


def retrain(plan: Plan, workspace: Workspace, progress: Stage) -> Retraining:
    """The steps in order; see the module."""
    config, lake = plan.config, Lake(workspace.lake)
    steps = [Step("new data", update_data(plan, lake, workspace))]
    facts = find_data(config, lake)
    steps.append(Step("quality", check_quality(config, lake)))
    result = find_trained(plan, facts, workspace)
    known = None if result is None else find_retraining(workspace, result.run_id)
    if known is not None:
        return again(known, steps)
    steps.append(Step("drift", check_drift(plan, workspace)))
    if result is None:
        command = f"bot4 retrain {plan.path}"
        made = train_flow(config.name, config, str(plan.folder), workspace, progress, command, RETRAINED)
        result, said = made.result, "trained on what is new"
    else:
        complete(result, workspace)
        said = "trained already on the same data, with the same configuration and code"
    steps.append(Step("training", f"run {result.run_id}: {said}"))
    judged = judge_challenger(result, plan, workspace)
    challenger, said = find_challenger(result, ModelStore(workspace.store))
    steps.append(Step("challenger", said))
    steps.append(Step("gates", refusal(judged.verdicts) or "every gate was passed"))
    found = Retraining(
        name=config.name,
        run_id=result.run_id,
        version=judged.version,
        digest=result.bundle.digest if result.bundle else "",
        steps=tuple(steps),
        verdicts=judged.verdicts,
        challenger=challenger,
    )
    found.save(workspace)
    return found


def again(known: Retraining, steps: list[Step]) -> Retraining:
    """What had been done before, behind the steps that looked for something new."""
    names = [step.name for step in steps]
    rest = [Step(step.name, f"before: {step.said}") for step in known.steps if step.name not in names]
    return Retraining(
        name=known.name,
        run_id=known.run_id,
        version=known.version,
        digest=known.digest,
        steps=(*steps, *rest),
        verdicts=known.verdicts,
        repeated=True,
    )


@task(name="new data", task_run_name="new data", cache_policy=NO_CACHE, **RETRIES)
def update_data(plan: Plan, lake: Lake, workspace: Workspace) -> str:
    """Fetch the bars that the lake does not have, if the configuration says so; in words."""
    if plan.about.update is None:
        return "what is in the lake: the configuration names no update"
    until = time.time_ns() // DAY * DAY
    added = update_lake(plan.config.data, plan.about.update, lake, workspace.root / "downloads", until)
    return f"{added:,} new bars from {plan.config.data.venue}"


@task(name="quality", task_run_name="quality", cache_policy=NO_CACHE)
def check_quality(config: RunConfig, lake: Lake) -> str:
    """Run the quality gates over every series of the run; in words.

    Raises
    ------
    StageError
        With every error of every series that would be refused.
    """
    keys = [
        series_key(config.data, one.symbol)
        for name in config.data.symbols
        for one in held_spans(config.data, lake, name)
    ]
    reports = {key: source_of(key.kind).check(lake.read(key), key.nanoseconds, None) for key in keys}
    bad = [f"{key}: {finding.message}" for key, report in reports.items() for finding in report.errors]
    if bad:
        raise StageError(f"the data do not pass the quality gates: {'; '.join(bad)}")
    return f"{sum(one.rows for one in reports.values()):,} bars of {len(reports)} series pass"


@task(name="drift", task_run_name="drift", cache_policy=NO_CACHE)
def check_drift(plan: Plan, workspace: Workspace) -> str:
    """Whether the newest bars are like those that the present model learned from; in words, and no reason to stop."""
    store, name = ModelStore(workspace.store), plan.config.name
    aliases = store.aliases(name)
    alias = next((one for one in (CHAMPION, CHALLENGER) if one in aliases), None)
    if alias is None:
        return "there is no model yet"
    try:
        bundle = store.resolve(name, alias)
        scored = newest(bundle, plan.config, workspace)
        said = drift_gate(drifted(bundle, scored, plan.config, workspace, plan.gates), plan.gates)
    except BundleError as error:
        return f"against @{alias}: it cannot be read here: {error}"
    return f"against @{alias}: {said.word}; {said.reason}"


def find_trained(plan: Plan, facts: DataFacts, workspace: Workspace) -> RunResult | None:
    """The newest run of the same trial that was registered and traded on paper; None if there is none."""
    rules = instruments(plan.config.data, str(plan.folder))
    wanted = new_trial(plan.config, facts, code=code_digest(), instruments=rules).identity
    for entry in reversed(Ledger.open(workspace).entries()):
        folder = workspace.runs / (entry.run or "-")
        if entry.trial.identity == wanted and (folder / RESULT_FILE).is_file():
            result = RunResult.load(folder)
            if result.bundle is not None and result.bundle.version is not None and result.paper is not None:
                return result
    return None


def complete(result: RunResult, workspace: Workspace) -> None:
    """Report and tracking of a run that may have been killed before them; nothing is written twice."""
    write_html(result, workspace)
    track_and_mirror(result, workspace)


def find_challenger(result: RunResult, store: ModelStore) -> tuple[int, str]:
    """The version that is ``@challenger`` (0: none), and in words whether it is the run's: it may have moved since."""
    info = bundle_of(result)
    history, record = store.history(info.name), store.aliases(info.name).get(CHALLENGER)
    if record is None:
        return 0, f"no version of {info.name} is @{CHALLENGER}"
    if record.digest == info.digest:
        return record.version, f"{info.name} version {record.version} is @{CHALLENGER}"
    since = held(record.digest, history).get(CHALLENGER, record)
    gone = lost(info.digest, history).get(CHALLENGER)
    was = f"was until {second(gone.at)}" if gone else "is not"
    return record.version, (
        f"@{CHALLENGER} is version {record.version} since {second(since.at)}, by a {since.action} of {since.person}; "
        f"version {info.version} {was}"
    )


@task(name="gates", task_run_name="gates", cache_policy=NO_CACHE)
def judge_challenger(result: RunResult, plan: Plan, workspace: Workspace) -> Judged:
    """What a champion's gates say of the new model; the alias is for a person to move."""
    version = result.bundle.version if result.bundle else None
    return judge(workspace, result.name, version or 0, CHAMPION, plan.gates)
