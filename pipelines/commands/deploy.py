"""``bot4 deploy``: register a retraining and its schedule with Prefect."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace
from pipelines.errors import ConfigError

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

    from pipelines.retraining import Plan
    from pipelines.workspace import Workspace

app = command_app("Register a retraining and its schedule with Prefect.")
POOL = "bot4"
"""The work pool whose workers run it."""


@app.command(epilog="Example: bot4 deploy conf/retrain.toml --serve")
def deploy(
    config: Annotated[Path, typer.Argument(help="The retraining's configuration (TOML).", metavar="CONF")],
    serve: Annotated[
        bool, typer.Option("--serve", help="Stay, and run it when it is due; without PREFECT_API_URL, with a server.")
    ] = False,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Register the retraining of a model, so that Prefect starts it by its schedule.

    PREFECT_API_URL says where; without it, in the workspace's own database, which bot4 ui shows. Deployed again, it is
    brought up to date. A worker of the pool runs what is due (prefect worker start --pool bot4), or this command with
    --serve.
    """
    import os

    from pipelines import prefect_settings
    from pipelines.retraining import load_plan

    place, plan = open_workspace(workspace), load_plan(config.resolve())
    prefect_settings.configure(place)
    if not serve:
        typer.echo(registered(plan, place))
        return
    if os.environ.get("PREFECT_API_URL"):
        stay(plan, place)
        return
    from pipelines.commands.ui import prefect_plan
    from pipelines.servers import free_port, running, stopping_on_signals

    server = prefect_plan(free_port())
    os.environ["PREFECT_API_URL"] = f"{server.url}/api"
    with stopping_on_signals(), running([server], place.root / "logs", lambda one, _: typer.echo(f"prefect {one.url}")):
        stay(plan, place)


def deployment(plan: Plan, workspace: Workspace, pool: str | None) -> RunnerDeployment:
    """The retraining as Prefect knows it; it is loaded by its module, on whatever machine has this package.

    Raises
    ------
    ConfigError
        If the schedule is none.
    """
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.deployments.runner import EntrypointType

    from pipelines.flows.retrain import retrain_flow

    try:
        schedule = CronSchedule(cron=plan.about.schedule, timezone="UTC")
    except ValueError as error:
        raise ConfigError(f"{plan.path}: schedule is {plan.about.schedule!r}, which is no cron line") from error
    return retrain_flow.to_deployment(
        name=plan.config.name,
        schedules=[schedule],
        parameters={"conf": str(plan.path), "workspace": str(workspace.root)},
        concurrency_limit=1,
        work_pool_name=pool,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def registered(plan: Plan, workspace: Workspace) -> str:
    """Register for workers of the pool, which is made if there is none; in words."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        made = deployment(plan, workspace, POOL)
        made.apply()
    return f"{made.full_name} is registered, due at `{plan.about.schedule}` (UTC) for workers of pool {POOL}"


def stay(plan: Plan, workspace: Workspace) -> None:
    """Register, and run what is due in processes of their own until Ctrl-C."""
    from prefect import serve

    serve(deployment(plan, workspace, None))
