"""``python notebooks/refresh.py [NAME …] [--run FOLDER]``: execute notebooks and write them with their outputs.

``tour`` walks through a finished run: that of the newest demo in the workspace, unless its folder is given.
``laboratory`` needs nothing. Without a name both are refreshed. The outputs hold no paths and no times of execution, so
the same code on the same data gives the same file.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parent
TOUR = FOLDER / "tour.ipynb"
LABORATORY = FOLDER / "laboratory.ipynb"
NOTEBOOKS = {path.stem: path for path in (TOUR, LABORATORY)}
SECONDS = 300
COLOURS = 256
"""A figure's palette: half the bytes, and no eye sees it."""


def code(notebook: Any) -> list[str]:
    """The sources of the code cells, in order."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def code_digest(notebook: Any) -> str:
    """A digest of the code cells: outputs are of exactly this code, or they are stale."""
    return hashlib.sha256(json.dumps(code(notebook)).encode()).hexdigest()


def shrunk(png: str) -> str:
    """A figure in base64 with a small palette."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as figure:
        figure.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(buffer, "png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def images(notebook: Any) -> list[Any]:
    """The outputs that hold a figure, by kind of content."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.data for output in outputs if "image/png" in output.get("data", {})]


def executed(notebook: Any, run: Path | None = None) -> Any:
    """The notebook with the outputs of its cells, run from the first to the last; the tour on the run in a folder."""
    chosen = {"BOT4_RUN": str(run.resolve())} if run is not None else {}
    environment = {**os.environ, **chosen, "PYTHONPATH": str(FOLDER.parent)}
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", record_timing=False)
    done = client.execute(env=environment, cwd=str(FOLDER.parent))
    done.metadata = nbformat.from_dict({"kernelspec": done.metadata["kernelspec"], "bot4": {"code": code_digest(done)}})
    return done


def main() -> None:
    """Execute and write the notebooks that were named."""
    parser = argparse.ArgumentParser(description="Execute notebooks and write them with their outputs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NOTEBOOKS)}; all if none is given")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="the run that the tour shows")
    arguments = parser.parse_args()
    for name in arguments.names or NOTEBOOKS:
        if name not in NOTEBOOKS:
            parser.error(f"no notebook is called {name!r}; there are {', '.join(NOTEBOOKS)}")
        done = executed(nbformat.read(NOTEBOOKS[name], as_version=4), arguments.run)
        for content in images(done):
            content["image/png"] = shrunk(content["image/png"])
        nbformat.write(done, NOTEBOOKS[name])


if __name__ == "__main__":
    main()
