"""``bot4 ui``: the MLflow and Prefect UIs on the local stores."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace
from pipelines.errors import PipelineError

if TYPE_CHECKING:
    import subprocess

    from pipelines.servers import ServerPlan
    from pipelines.workspace import Workspace

app = command_app("Open the MLflow and Prefect UIs on the local stores.")


def mlflow_plan(workspace: Workspace, port: int) -> ServerPlan:
    """MLflow with one worker and without the job runner: ready in seconds, in a quarter of the default's memory."""
    from pipelines.servers import HOST, ServerPlan

    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    stores = [
        "--backend-store-uri",
        workspace.mlflow_uri,
        "--default-artifact-root",
        workspace.mlflow_artefacts.as_uri(),
    ]
    return ServerPlan("mlflow", port, [*command, *stores], {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, "/health")


def prefect_plan(port: int) -> ServerPlan:
    """Prefect's server on the workspace's database (``PREFECT_HOME``)."""
    from pipelines.servers import HOST, ServerPlan

    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    environment = {
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_UI_API_URL": f"http://{HOST}:{port}/api",
    }
    return ServerPlan("prefect", port, command, environment, "/api/health")


@app.command(epilog="Example: bot4 ui --mlflow-port 5000")
def ui(
    prefect: Annotated[bool, typer.Option("--prefect/--no-prefect", help="Also start Prefect's UI.")] = True,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's UI; 0 takes a free one.", min=0, max=65535)] = 0,
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect's UI; 0 takes a free one.", min=0, max=65535)] = 0,
    check: Annotated[bool, typer.Option("--check", help="Start, probe over HTTP, stop.")] = False,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Serve the MLflow and Prefect UIs of a workspace on loopback until Ctrl-C.

    Logs go to the workspace's folder logs/.
    """
    from pipelines import prefect_settings
    from pipelines.servers import free_port, running, stopping_on_signals
    from pipelines.tracking.database import make_database
    from pipelines.tracking.moved import follow

    place = open_workspace(workspace)
    place.root.mkdir(parents=True, exist_ok=True)
    prefect_settings.configure(place)
    follow(place)
    plans = []
    if place.mlflow_uri.startswith("http"):
        typer.echo(f"mlflow   {place.mlflow_uri} (MLFLOW_TRACKING_URI)")
    else:
        make_database(place.mlflow_uri)
        plans.append(mlflow_plan(place, mlflow_port or free_port()))
    if prefect:
        plans.append(prefect_plan(prefect_port or free_port()))
    if not plans:
        return
    typer.echo("starting (about 10 s) ...", err=True)
    with stopping_on_signals(), running(plans, place.root / "logs", _say_ready) as processes:
        if check:
            _probe(plans)
            return
        typer.echo("Ctrl-C stops them", err=True)
        _wait([plan.name for plan in plans], processes)


def _say_ready(plan: ServerPlan, seconds: float) -> None:
    typer.echo(f"{plan.name:<8} {plan.url}  (ready in {seconds:.0f} s)")


def _probe(plans: list[ServerPlan]) -> None:
    from pipelines.servers import answers

    silent = [plan.url for plan in plans if not answers(f"{plan.url}/", timeout=10.0)]
    if silent:
        raise PipelineError(f"the pages {', '.join(silent)} did not answer")
    typer.echo(f"all {len(plans)} pages answer")


def _wait(names: list[str], processes: list[subprocess.Popen[bytes]]) -> None:
    try:
        while True:
            ended = [name for name, process in zip(names, processes, strict=True) if process.poll() is not None]
            if ended:
                raise PipelineError(f"{' and '.join(ended)} stopped by itself; see its log in the workspace's logs/")
            time.sleep(0.5)
    except KeyboardInterrupt:
        typer.echo("stopping", err=True)
