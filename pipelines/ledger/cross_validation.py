"""Every configuration that is cross-validated in the ledger, whatever does the cross-validation.

Only a fit knows which configuration it is of: a splitter is asked once for a whole grid, and a search reports when all
has been seen. So what is recorded is the estimator: the first fit of a configuration begins its trial, before it has
learned anything; the end of the ``with`` block ends all that began in it. A process that is killed leaves them begun.
"""

from __future__ import annotations

import getpass
import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from market.lake.keys import interval_text
from pipelines.ledger.describe import described, fingerprint
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.record import finish_trial
from pipelines.ledger.store import Ledger
from pipelines.ledger.trial import Status, Stretch, Trial, fresh_id
from pipelines.toml import digest

if TYPE_CHECKING:
    from models.dataset import Panel
    from pipelines.ledger.recorded_estimator import RecordedEstimator

KIND = "cross-validation"


def panel_stretches(panel: Panel, venue: str) -> tuple[Stretch, ...]:
    """What cross-validation on a panel touches: every series from its first bar to its last.

    Parameters
    ----------
    venue
        Where the bars are from, as `pipelines.config.DataConfig` names it: trials of other venues are other data.
    """
    interval = interval_text(panel.interval)
    return tuple(
        Stretch(venue, one.symbol, int(one.bars["start"][0]), int(one.bars["end"][-1]), interval)
        for one in panel.series
    )


@contextmanager
def cross_validation(
    ledger: Ledger,
    name: str,
    touched: Sequence[Stretch],
    X: Any,
    y: Any,
    splitter: Any,
    *,
    code: str | None = None,
    person: str | None = None,
    note: str = "",
) -> Iterator[Recorder]:
    """A block in which every configuration of a recorded estimator is a trial on some samples.

    A configuration is the estimator's class and parameters, and the splitter's; the samples' content is the data. The
    same configuration on the same samples is the same trial, in one block or in many. Hand the recorded estimator to
    anything that fits estimators: scikit-learn's ``cross_validate`` and searches, with any ``n_jobs``, and
    `models.splitters.scoring`.

    Parameters
    ----------
    name
        For people, in ``bot4 trials``.
    touched
        The data behind the samples, labels included: `panel_stretches`.
    X, y
        All samples, shapes (n, f) and (n,): what is handed to the cross-validation.
    splitter
        What splits them.
    code
        Digest of the code that is running; by default of this package (`pipelines.stages.environment.code_digest`).
        What a user's own estimator does is not in it: give one that changes with it.
    person
        Default: the user of this process.

    Yields
    ------
    Recorder
        Called on an estimator, it gives the recorded one.

    Raises
    ------
    LedgerError
        If nothing is touched, or the ledger cannot be written when the block ends.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sqlalchemy import URL
    >>> from models.splitters.kfold import PurgedKFold
    >>> t0 = np.arange(60)
    >>> X = np.sin(t0)[:, None]
    >>> y, splitter, span = X[:, 0] > 0, PurgedKFold(3, t0, t0 + 1), Stretch("binance", "BTCUSDT", 0, 61)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ledger = Ledger(URL.create("sqlite", database=f"{folder}/trials.db"))
    ...     with cross_validation(ledger, "sine", [span], X, y, splitter) as recorded:
    ...         search = GridSearchCV(recorded(LogisticRegression()), {"estimator__C": [0.1, 1.0, 9.0]}, cv=splitter)
    ...         _ = search.fit(X, y)
    ...     [(one.trial.parameters["C"], one.status) for one in ledger.entries()]
    [('0.1', 'finished'), ('1.0', 'finished'), ('9.0', 'finished')]
    """
    if code is None:
        from pipelines.stages.environment import code_digest

        code = code_digest()
    samples = digest([fingerprint(X), fingerprint(y)])
    base = Trial(
        id=fresh_id(),
        created=time.time_ns(),
        person=getpass.getuser() if person is None else person,
        kind=KIND,
        name=name,
        configuration=digest(described(splitter)),
        code=code,
        data={one.symbol: samples for one in touched},
        touched=tuple(touched),
        note=note,
    )
    recorder = Recorder(ledger, base, _columns(X))
    try:
        yield recorder
    except BaseException as error:
        try:
            recorder.end("failed", f"the block ended with {type(error).__name__}: {error}"[:500])
        except LedgerError as other:
            error.add_note(str(other))
        raise
    recorder.end("finished")


class Recorder:
    """Begins the trials of a block and ends them; `cross_validation` makes it.

    It may be copied and sent to other processes: their trials are the block's too.

    Parameters
    ----------
    ledger
        Where.
    base
        What all trials of the block share; its id is the block's, its configuration the splitter's.
    columns
        Of the block's samples.
    """

    def __init__(self, ledger: Ledger, base: Trial, columns: int) -> None:
        self._ledger = ledger
        self._base = base
        self._columns = columns
        self._begun: set[str] = set()
        self._ended = False
        self._lock = threading.Lock()

    def __call__(self, estimator: Any) -> RecordedEstimator:
        """The estimator, recorded; its parameters are named ``estimator__…`` then."""
        from pipelines.ledger.recorded_estimator import RecordedEstimator

        return RecordedEstimator(estimator, self)

    def __repr__(self) -> str:
        return f"Recorder({self._base.name!r})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Recorder:
        # scikit-learn copies the parameters of what it clones: the clones' trials are this block's.
        return self

    def __reduce__(self) -> tuple[type[Recorder], tuple[Ledger, Trial, int]]:
        return Recorder, (self._ledger, self._base, self._columns)

    def begin(self, estimator: Any, X: Any) -> None:
        """Begin the trial of an estimator's configuration, unless the block began it already, in whatever process.

        Raises
        ------
        LedgerError
            If the block has ended, ``X`` has another number of columns than its samples, or nothing can be recorded.
        """
        if self._ended:
            raise LedgerError(f"the block of cross-validation {self._base.name!r} has ended: open another to go on")
        if _columns(X) != self._columns:
            what = f"a block for samples of {self._columns} columns ({self._base.name!r})"
            raise LedgerError(f"{what} was given {_columns(X)}: open a block of their own for other samples")
        configuration = digest([self._base.configuration, described(estimator)])
        mine = msgspec.structs.replace(
            self._base,
            id=self._name(configuration),
            created=time.time_ns(),
            configuration=configuration,
            parameters=parameters_of(estimator),
            note="; ".join(filter(None, (self._note, self._base.note))),
        )
        with self._lock:
            if mine.id not in self._begun:
                self._append(mine)
                self._begun.add(mine.id)

    def _append(self, trial: Trial) -> None:
        try:
            self._ledger.begin(trial)
        except LedgerError:
            # Another process of the block may have been first.
            if all(one.trial != trial.id for one in self._ledger.rows()):
                raise

    def end(self, status: Status, note: str = "") -> None:
        """End every trial that the block began, in whatever process. Errors as `Ledger.finish`."""
        self._ended = True
        for one in self._ledger.entries():
            mine = one.trial.id == self._name(one.trial.configuration)
            if mine and one.outcome is None:
                finish_trial(self._ledger, one.trial, status=status, note=note)

    def _name(self, configuration: str) -> str:
        return hashlib.sha256(f"{self._base.id} {configuration}".encode()).hexdigest()[:16]

    @property
    def _note(self) -> str:
        return f"block {self._base.id}"


def parameters_of(estimator: Any) -> dict[str, str]:
    """An estimator's class and its parameters, nested ones too, as people read them; long ones are cut.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> parameters_of(Ridge(alpha=2.0))["alpha"]
    '2.0'
    """
    found = {"estimator": type(estimator).__name__, **estimator.get_params()}
    return {name: text if len(text := str(value)) <= 80 else text[:79] + "…" for name, value in found.items()}


def _columns(X: Any) -> int:
    shape = X.shape if hasattr(X, "shape") else (len(X), len(X[0]))
    return int(shape[1]) if len(shape) > 1 else 1
