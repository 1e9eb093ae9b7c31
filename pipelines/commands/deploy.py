"""``bot4 deploy``: register a retraining and its schedule with Prefect."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace
from pipelines.errors import ConfigError
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

    from pipelines.retraining import Plan

app = command_app("Register a retraining and its schedule with Prefect.")
POOL = "bot4"
"""The work pool whose workers run it."""
UI_PORT = 4200
"""Prefect's own default, in the example of a server to start."""


@app.command(epilog="Example: bot4 deploy conf/retrain.toml --serve")
def deploy(
    config: Annotated[Path, typer.Argument(help="The retraining's configuration (TOML).", metavar="CONF")],
    serve: Annotated[
        bool, typer.Option("--serve", help="Stay, and run it when it is due; without PREFECT_API_URL, with a server.")
    ] = False,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Register the retraining of a model, so that Prefect starts it by its schedule.

    PREFECT_API_URL says at which server; a worker of the pool runs there what is due (prefect worker start --pool
    bot4). Without it, in the workspace's own database: nothing is started from there until a server runs on it, that of
    bot4 ui or the one that --serve brings. With --serve this command stays, and runs what is due itself. Deployed
    again, a retraining is brought up to date.
    """
    import os

    from pipelines import prefect_settings
    from pipelines.retraining import load_plan

    place, plan = open_workspace(workspace), load_plan(config.resolve())
    prefect_settings.configure(place)
    from prefect.settings import PREFECT_API_URL

    at_server = bool(PREFECT_API_URL.value())  # of the environment, a profile, or a .env file here
    if not serve:
        name = registered(plan, place)
        typer.echo(what_runs_it(name, plan, at_server, "" if place == Workspace.default() else str(place.root)))
        return
    if at_server:
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
    """Register for workers of the pool, which is made if there is none; the deployment's name."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        made = deployment(plan, workspace, POOL)
        made.apply()
    return str(made.full_name)


def what_runs_it(name: str, plan: Plan, at_server: bool, workspace: str) -> str:
    """Who starts a registered retraining when it is due, or what is missing for that.

    Parameters
    ----------
    at_server
        Whether it is registered at a running server, and not in a workspace's database alone.
    workspace
        The workspace's folder; empty for the default one.
    """
    from pipelines.servers import HOST

    when = f"due at `{plan.about.schedule}` (UTC)"
    if at_server:
        return f"{name} is registered, {when} for workers of pool {POOL}; prefect worker start --pool {POOL} starts one"
    option = f" --workspace {quote(workspace)}" if workspace else ""
    return (
        f"{name} is registered, {when}, in the workspace's own database, and nothing runs it yet: PREFECT_API_URL is "
        "not set, so there is no server to start it. Either of these runs it as long as it stays:\n"
        f"  bot4 deploy {quote(str(plan.path))} --serve{option}\n"
        f"  bot4 ui --prefect-port {UI_PORT}{option}, and beside it\n"
        f"  PREFECT_API_URL=http://{HOST}:{UI_PORT}/api prefect worker start --pool {POOL}"
    )


def stay(plan: Plan, workspace: Workspace) -> None:
    """Register, and run what is due in processes of their own until Ctrl-C."""
    from prefect import serve

    serve(deployment(plan, workspace, None))
