"""The audit of pieces: other futures, another order of instruments, and each piece's own rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.members.protocol import Progress
from pipelines.audit.column import Column
from pipelines.audit.compare import NEVER, compare
from pipelines.audit.errors import AuditError
from pipelines.audit.findings import Audit, Finding, joined
from pipelines.audit.perturb import GRIDS, VALUES, Perturbation
from pipelines.audit.pieces import Piece
from pipelines.audit.world import World
from pipelines.stages.artefacts import silent

REVERSED = "instruments in another order"
PIECE_CUTS = 24


def audit_pieces(
    pieces: Sequence[Piece], world: World, cuts: int = PIECE_CUTS, seed: int = 7, progress: Progress = silent
) -> Audit:
    """Audit pieces of a pipeline over some bars.

    Parameters
    ----------
    pieces
        See `pipelines.audit.pieces`, `pipelines.audit.splits` and `pipelines.audit.learned`.
    world
        What they read.
    cuts
        After how many moments, drawn by the seed, the future is changed: at each in four of the ways of
        `pipelines.audit.perturb`, which take turns.

    Raises
    ------
    AuditError
        If there is nothing to audit, there are too few bars, or a piece fails in another future.

    Examples
    --------
    >>> from features.conformance import plain_bars
    >>> from pipelines.audit.pieces import Features
    >>> world = World(("A",), (plain_bars(200, seed=1),), 60_000_000_000)
    >>> piece = Features(lambda world: {"centred": [bars["close"] - bars["close"].mean() for bars in world.bars]})
    >>> [(one.column, one.verdict) for one in audit_pieces([piece], world).findings]
    [('centred', 'leak')]
    """
    if not pieces:
        raise AuditError("there are no pieces to audit; give at least one")
    random = np.random.default_rng(seed)
    moments = world.cuts(cuts, random)
    found: list[Finding] = []
    used: dict[str, None] = {}
    for place, piece in enumerate(pieces):
        progress(f"{piece.stage}, piece {place + 1} of {len(pieces)}", place / len(pieces))
        base = piece.columns(world)
        if base:
            found += compare(base, piece.columns(world), "computed again")
            if len(world.symbols) > 1:
                used[REVERSED] = None
                found += compare(base, piece.columns(world.reversed()), REVERSED, NEVER)
            for number, cut in enumerate(moments):
                for way in _ways(number):
                    used[way.name] = None
                    other = _columns(piece, world.changed(cut, way, random), way.name)
                    found += compare(base, other, way.name, cut, way.grid)
        found += piece.checks(world, random)
        used |= dict.fromkeys(getattr(piece, "perturbations", ()))
    return Audit("pieces", seed, tuple(moments), tuple(used), joined(found))


def _ways(turn: int) -> list[Perturbation]:
    """Three ways to change values and one to change the grid, others at every turn."""
    return [VALUES[(3 * turn + number) % len(VALUES)] for number in range(3)] + [GRIDS[turn % len(GRIDS)]]


def _columns(piece: Piece, world: World, name: str) -> Sequence[Column]:
    try:
        return piece.columns(world)
    except Exception as error:  # a user's code may fail in any way
        raise AuditError(
            f"{piece.stage}: a piece that works on the bars as they are fails when their future is {name}: {error!r}"
        ) from error
