"""One member of a graph over many rows in one call, with the bits of the graph itself, row by row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from models.bundle.runner import session_options
from models.graph.alone import alone
from models.members.streams import runs
from models.members.training import usable


def at_once(
    model: onnx.ModelProto, name: str, carries_state: bool
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """What a member says, as a function of rows (n, f), shape (n,).

    Parameters
    ----------
    model
        From `models.graph.compose.compose`.
    name
        The member.
    carries_state
        The rows are a stretch, with the rule of `models.bundle.runner`: a row with a NaN has no probability, and
        before the next the state is zero. Else each is asked alone, whatever the member makes of a NaN.

    Raises
    ------
    GraphError
        If the graph has no such member.

    Examples
    --------
    >>> from models.graph.compose import compose
    >>> from models.graph.linear import linear_part
    >>> part = linear_part("linear", mean=[0.0], scale=[1.0], clip=5.0, coefficients=[2.0], intercept=0.0)
    >>> asked = at_once(compose([part]), "linear", carries_state=True)
    >>> asked(np.array([[0.0], [np.nan], [5.0]])).round(3).tolist()
    [0.5, nan, 1.0]
    """
    session = onnxruntime.InferenceSession(alone(model, name).SerializeToString(), session_options())

    def answers(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.full(len(rows), np.nan)
        for start, stop in runs(usable(rows)) if carries_state else [(0, len(rows))]:
            found[start:stop] = session.run(None, {"rows": rows[start:stop]})[0][:, 0, 0]
        return found

    return answers
