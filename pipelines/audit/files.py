"""A user's own pieces, from a file."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from pipelines.audit.errors import AuditError
from pipelines.audit.pieces import Piece

NAME = "PIECES"


def load_pieces(path: Path) -> Sequence[Piece]:
    """The list ``PIECES`` of a Python file, which is run.

    Raises
    ------
    AuditError
        If the file is not there, fails, or has no such list of pieces.
    """
    if not path.is_file():
        raise AuditError(f"{path} is not a file; name a Python file with a list {NAME}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise AuditError(f"{path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file may fail in any way
        raise AuditError(f"{path} cannot be run: {error!r}") from error
    found = getattr(module, NAME, None)
    if not isinstance(found, Sequence) or not found:
        raise AuditError(f"{path} has no list {NAME}; see `python -c 'help(\"pipelines.audit.pieces\")'`")
    for place, one in enumerate(found):
        if not all(hasattr(one, name) for name in ("stage", "columns", "checks")):
            raise AuditError(
                f"{path}: {NAME}[{place}] is {one!r}, which is no piece; wrap it in Features, Labels, Weights, Splits, "
                "OutOfFold, StackerInputs or Orders of pipelines.audit"
            )
    return found
