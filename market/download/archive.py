"""Many files of the archive in parallel: first what is published, then what is not yet here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from market.download.client import Client
from market.download.fetch import Published, fetch, published
from market.download.layout import MONTHLY_ONLY, ArchiveSeries, days_of, is_month, periods
from market.download.patience import Stopped, UnavailableError
from market.errors import DownloadError
from market.imports import Progress
from market.locks import locked

S = TypeVar("S")
T = TypeVar("T")

Known = Callable[[ArchiveSeries, Published], bool]
"""Whether a published file need not be fetched, because what it holds is stored already."""

LOOKING: Final = 0.15
"""The part of the progress that asking for checksums is taken to be."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A series and the time for which it is wanted, [start, stop) in ns UTC."""

    series: ArchiveSeries
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """What there is of one series after a download.

    Attributes
    ----------
    files
        The verified files that are not known to be stored, in order of time.
    known
        Files that needed no fetching because what they hold is stored.
    absent
        Days (or months, where the archive has no days) that are not published.
    """

    series: ArchiveSeries
    files: tuple[Path, ...]
    known: int
    absent: tuple[str, ...]


def download(
    client: Client,
    wanted: Sequence[Wanted],
    folder: Path,
    *,
    known: Known | None = None,
    parallel: int = 4,
    progress: Progress | None = None,
) -> list[Arrived]:
    """Bring the files of several series into a folder that mirrors the archive.

    Months that are not published (yet) are looked for day by day. One process at a time downloads into a folder.

    Raises
    ------
    DownloadError
        If a file is not what was published: the others are fetched still, and all such files are named. If the server
        does not answer, or has nothing of a series. Verified files and parts stay, and the next call goes on with them.
    """
    say, held = progress or _silent, known or _nothing_known
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"{folder}: cannot be made ({error.strerror or error})") from error
    with locked(folder):
        present, absent = _look(client, wanted, parallel, lambda what, done: say(what, LOOKING * done))
        news = [(series, file) for series, file in present if not held(series, file)]
        show = _Shown([file for _, file in news], lambda what, done: say(what, LOOKING + (1 - LOOKING) * done))
        _all(client, [file for _, file in news], lambda file: _fetch(client, file, folder, show), parallel)
    say("done", 1.0)
    return [_arrived(one.series, present, news, absent, folder) for one in wanted]


def _look(
    client: Client, wanted: Sequence[Wanted], parallel: int, say: Progress
) -> tuple[list[tuple[ArchiveSeries, Published]], dict[ArchiveSeries, list[str]]]:
    asked = [
        (one.series, period)
        for one in wanted
        for period in periods(one.start, one.stop, one.series.kind in MONTHLY_ONLY)
    ]
    first = _published(client, asked, parallel, lambda what, done: say(what, 0.5 * done))
    missing = [(series, period) for (series, period), file in first.items() if file is None]
    again = [
        (series, day)
        for series, period in missing
        if is_month(period) and series.kind not in MONTHLY_ONLY
        for day in days_of(period)
    ]
    second = _published(client, again, parallel, lambda what, done: say(what, 0.5 + 0.5 * done))
    absent: dict[ArchiveSeries, list[str]] = {one.series: [] for one in wanted}
    present: list[tuple[str, ArchiveSeries, Published]] = []
    for (series, period), file in (first | second).items():
        if file is not None:
            present.append((period, series, file))
        elif not is_month(period) or series.kind in MONTHLY_ONLY:
            absent[series].append(period)
    for one in wanted:
        if absent[one.series] and not any(series == one.series for _, series, _ in present):
            dates = sorted(absent[one.series])
            raise DownloadError(
                f"{client.base_url} has no files of {one.series} from {dates[0]} to {dates[-1]}; check the symbol,"
                " the kind and the dates"
            )
    return [(series, file) for _, series, file in sorted(present, key=lambda item: item[0])], absent


def _published(
    client: Client, asked: Sequence[tuple[ArchiveSeries, str]], parallel: int, say: Progress
) -> dict[tuple[ArchiveSeries, str], Published | None]:
    lock, done = threading.Lock(), 0

    def ask(item: tuple[ArchiveSeries, str]) -> Published | None:
        nonlocal done
        series, period = item
        file = published(client, series.path(period))
        with lock:
            done += 1
            say(f"looking for {series} {period}", done / len(asked))
        return file

    return dict(zip(asked, _all(client, asked, ask, parallel), strict=True))


def _all(client: Client, items: Sequence[S], work: Callable[[S], T], parallel: int) -> list[T]:
    """The work on all items, in their order.

    What is wrong with single files is gathered; a server that does not answer, or an interruption, stops all threads.
    """
    failures: list[DownloadError] = []
    with ThreadPoolExecutor(parallel, thread_name_prefix="download") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            pending = set(futures)
            while pending:
                # polars' signal handler restarts a wait without a timeout: an interrupt would go unnoticed.
                finished, pending = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
                failures += _failures(finished)
        except BaseException:
            client.patience.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if failures:
        head = "" if len(failures) == 1 else f"{len(failures)} of {len(items)} files failed:\n"
        raise DownloadError(head + "\n".join(str(error) for error in failures))
    return [future.result() for future in futures]


def _failures(finished: Iterable[Future[T]]) -> list[DownloadError]:
    """What is wrong with single files; anything worse is raised."""
    found = []
    for future in finished:
        error = future.exception()
        if isinstance(error, DownloadError) and not isinstance(error, UnavailableError):
            found.append(error)
        elif error is not None and not isinstance(error, Stopped):
            raise error
    return found


def _fetch(client: Client, file: Published, folder: Path, show: _Shown) -> None:
    target = folder / file.path
    fetch(client, file, target, lambda done, total: show(file, done, total))
    size = target.stat().st_size
    show(file, size, size)


def _arrived(
    series: ArchiveSeries,
    present: Iterable[tuple[ArchiveSeries, Published]],
    news: Sequence[tuple[ArchiveSeries, Published]],
    absent: dict[ArchiveSeries, list[str]],
    folder: Path,
) -> Arrived:
    files = tuple(folder / file.path for owner, file in news if owner == series)
    all_files = sum(owner == series for owner, _ in present)
    return Arrived(series, files, all_files - len(files), tuple(sorted(absent[series])))


class _Shown:
    """Progress over files of unknown sizes: each counts the same, and one that is coming counts by its bytes."""

    def __init__(self, files: Sequence[Published], say: Progress) -> None:
        self._part = dict.fromkeys(files, 0.0)
        self._bytes = dict.fromkeys(files, 0)
        self._say = say
        self._lock = threading.Lock()

    def __call__(self, file: Published, done: int, total: int | None) -> None:
        with self._lock:
            self._part[file] = done / total if total else 0.0
            self._bytes[file] = done
            whole = sum(self._part.values()) / len(self._part)
            size = sum(self._bytes.values()) / 1e6
        self._say(f"{file.name} ({size:,.1f} MB in all)", whole)


def _nothing_known(series: ArchiveSeries, file: Published) -> bool:
    return False


def _silent(what: str, done: float) -> None:
    """The progress of those who asked for none."""
