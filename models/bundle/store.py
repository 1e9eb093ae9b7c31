"""The model store: content-addressed bundles, numbered versions per model, and the aliases that serving reads.

::

    bundles/<digest>/                 immutable
    models/<name>/versions.jsonl      one line per version, only ever appended
    models/<name>/history.jsonl       one line per change of an alias, only ever appended
    aliases/<name>/<alias>.json       the alias as it stands: this file alone decides; replaced in one step

One lock serialises writers; readers need none. What a crash leaves behind is completed by the next writer: a torn last
line is cut off, half-written files are removed, and a change of an alias that did not reach the history is appended
to it.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from models.bundle.bundle import Bundle
from models.bundle.errors import StoreError
from models.bundle.files import replace_file, sync_folder, write_folder
from models.bundle.names import check_alias, check_name, meant

Record = TypeVar("Record", bound=msgspec.Struct)


class Verdict(msgspec.Struct, frozen=True):
    """What one gate said: ``reason`` is what was measured, ``needed`` what would have passed.

    ``judged``: whether there was enough evidence to judge; what could not be judged has not been passed.
    """

    gate: str
    passed: bool
    reason: str = ""
    needed: str = ""
    judged: bool = True

    @property
    def word(self) -> str:
        """The verdict in words.

        Examples
        --------
        >>> Verdict("drift", True).word, Verdict("drift", False).word, Verdict("drift", False, judged=False).word
        ('passed', 'FAILED', 'not enough evidence')
        """
        if self.passed:
            return "passed"
        return "FAILED" if self.judged else "not enough evidence"


class VersionRecord(msgspec.Struct, frozen=True):
    """One version of a model; ``put`` is when, in nanoseconds UTC."""

    version: int
    digest: str
    put: int


class AliasRecord(msgspec.Struct, frozen=True):
    """An alias as it stands: which version, since when (ns), by whom and why.

    ``change`` numbers the changes of this alias from 1; ``previous`` is the change that `ModelStore.rollback` restores,
    the last one to another version; 0 for none. ``override`` is the reason for which failed gates were overruled.
    ``action``: promote or rollback; a rollback runs no gates and has no reason, and what one of before carries of the
    promotion that it restored is dropped.
    """

    name: str
    alias: str
    version: int
    digest: str
    change: int
    previous: int
    at: int
    person: str
    verdicts: tuple[Verdict, ...] = ()
    override: str | None = None
    action: str = "promote"

    def __post_init__(self) -> None:
        if self.action == "rollback":
            msgspec.structs.force_setattr(self, "verdicts", ())
            msgspec.structs.force_setattr(self, "override", None)


class ModelStore:
    """The store under a folder.

    Parameters
    ----------
    root
        Created when first written to.
    clock
        The time in nanoseconds UTC.
    """

    def __init__(self, root: Path, clock: Callable[[], int] = time.time_ns) -> None:
        self.root = root
        self.clock = clock

    def put(self, folder: Path, name: str) -> int:
        """Take in a bundle as a version of a model; the same content again is the same version.

        Raises
        ------
        StoreError
            If its certificate did not pass.
        BundleError
            If it does not verify.
        """
        check_name("model", name)
        bundle = Bundle.load(folder)
        certificate = bundle.manifest.certificate
        if certificate.get("passed") is not True:
            reasons = "; ".join(map(str, certificate.get("reasons", ()))) or "it has none"
            raise StoreError(f"{folder}: the certificate did not pass ({reasons}); only a certified bundle is stored")
        with self._lock():
            self._keep(bundle)
            for known in self.versions(name):
                if known.digest == bundle.digest:
                    return known.version
            record = VersionRecord(len(self.versions(name)) + 1, bundle.digest, self.clock())
            _append(self._versions_file(name), record)
            return record.version

    def promote(
        self,
        name: str,
        version: int,
        alias: str,
        verdicts: Sequence[Verdict],
        person: str,
        override: str | None = None,
        since: int | None = None,
    ) -> AliasRecord:
        """Point an alias at a version.

        Parameters
        ----------
        since
            The change of this alias that the verdicts compared with, 0 for none (`ModelStore.change`); by default they
            compared with nothing.

        Raises
        ------
        StoreError
            If a gate did not pass, or there is no verdict at all, and no override gives a reason; or the alias moved
            after ``since``, so that the verdicts are about another one; or there is no such model, version or alias.
        """
        check_alias(alias)
        failed = [f"{verdict.gate}: {verdict.reason}" for verdict in verdicts if not verdict.passed]
        if (failed or not verdicts) and not (override or "").strip():
            why = "; ".join(failed) or "no gate was run"
            raise StoreError(
                f"{name} version {version} is not promoted to {alias!r}: {why}. An override needs a reason"
            )
        with self._lock():
            digest = self._version(name, version).digest
            self._bundle(digest)
            current = self._healed(name, alias)
            _check_unmoved(name, alias, current, since)
            repeated = current is not None and current.digest == digest
            before = self._before(current) if current and repeated else current
            change = AliasRecord(
                name=name,
                alias=alias,
                version=version,
                digest=digest,
                change=current.change + 1 if current else 1,
                previous=before.change if before else 0,
                at=self.clock(),
                person=person,
                verdicts=tuple(verdicts),
                override=override,
            )
            return self._change(change)

    def rollback(self, name: str, alias: str, person: str | None = None) -> AliasRecord:
        """Point an alias at the version before; again, and it goes one further back.

        However often a version was promoted in a row, the one before is another.

        Parameters
        ----------
        person
            Who; by default the user of this process.

        Raises
        ------
        StoreError
            If there is nothing before, or no such model or alias.
        """
        check_alias(alias)
        self._check_known(name)
        with self._lock():
            current = self._healed(name, alias)
            before = None if current is None else self._before(current)
            if current is None or before is None:
                raise StoreError(f"alias {alias!r} of {name!r} has nothing before it to go back to")
            self._bundle(before.digest)
            return self._change(
                msgspec.structs.replace(
                    before,
                    change=current.change + 1,
                    at=self.clock(),
                    person=person or getpass.getuser(),
                    action="rollback",
                )
            )

    def resolve(self, name: str, reference: int | str) -> Bundle:
        """The verified bundle of a version number or an alias.

        Raises
        ------
        StoreError
            If there is none.
        BundleError
            If it does not verify.
        """
        if isinstance(reference, int):
            return self._bundle(self._version(name, reference).digest)
        check_alias(reference)
        self._check_known(name)
        record = self.aliases(name).get(reference)
        if record is None:
            known = ", ".join(self.aliases(name)) or "none"
            raise StoreError(f"model {name!r} has no alias {reference!r}; it has {known}")
        return self._bundle(record.digest)

    def names(self) -> tuple[str, ...]:
        """The models."""
        folder = self.root / "models"
        return tuple(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else ()

    def versions(self, name: str) -> tuple[VersionRecord, ...]:
        """A model's versions, oldest first."""
        check_name("model", name)
        return tuple(_read(self._versions_file(name), VersionRecord))

    def aliases(self, name: str) -> dict[str, AliasRecord]:
        """A model's aliases as they stand."""
        check_name("model", name)
        files = sorted((self.root / "aliases" / name).glob("[!.]*.json"))
        return {path.stem: _decode(path.read_bytes(), AliasRecord, path) for path in files}

    def change(self, name: str, alias: str) -> int:
        """The number of an alias's last change, 0 if it never pointed to anything."""
        check_alias(alias)
        record = self.aliases(name).get(alias)
        return 0 if record is None else record.change

    def history(self, name: str) -> tuple[AliasRecord, ...]:
        """Every change of a model's aliases, oldest first."""
        check_name("model", name)
        return tuple(_read(self._history_file(name), AliasRecord))

    def _versions_file(self, name: str) -> Path:
        return self.root / "models" / name / "versions.jsonl"

    def _history_file(self, name: str) -> Path:
        return self.root / "models" / name / "history.jsonl"

    def _version(self, name: str, version: int) -> VersionRecord:
        self._check_known(name)
        known = self.versions(name)
        for record in known:
            if record.version == version:
                return record
        raise StoreError(f"model {name!r} has no version {version}; it has {[r.version for r in known] or 'none'}")

    def _check_known(self, name: str) -> None:
        check_name("model", name)
        known = self.names()
        if not known:
            raise StoreError(f"there is no model {name!r}: the model store {self.root} is empty")
        if name not in known:
            raise StoreError(f"there is no model {name!r} in {self.root}, only {', '.join(known)}{meant(name, known)}")

    def _before(self, record: AliasRecord) -> AliasRecord | None:
        """The change of the same alias that its rollback restores; None if nothing is before.

        A repeated promotion that an earlier release recorded names the one it repeats: it is passed over.
        """
        changes = {one.change: one for one in self.history(record.name) if one.alias == record.alias}
        before: AliasRecord | None = record
        while before is not None and before.digest == record.digest:
            before = changes[before.previous] if before.previous else None
        return before

    def _bundle(self, digest: str) -> Bundle:
        folder = self.root / "bundles" / digest
        bundle = Bundle.load(folder)
        if bundle.digest != digest:
            raise StoreError(f"{folder} holds bundle {bundle.digest}; the store was changed by hand: put it again")
        return bundle

    def _keep(self, bundle: Bundle) -> None:
        folder = self.root / "bundles" / bundle.digest
        if folder.exists():
            self._bundle(bundle.digest)
        else:
            write_folder(folder, bundle.files)

    def _sweep(self) -> None:
        """Remove what writers that were killed left half-written; nobody else writes while the lock is held."""
        for scratch in (*self.root.glob("bundles/.*"), *self.root.glob("aliases/*/.*")):
            shutil.rmtree(scratch) if scratch.is_dir() else scratch.unlink()

    def _healed(self, name: str, alias: str) -> AliasRecord | None:
        """The alias as it stands, with a history that knows it."""
        current = self.aliases(name).get(alias)
        if current is not None and current not in self.history(name):
            _append(self._history_file(name), current)
        return current

    def _change(self, record: AliasRecord) -> AliasRecord:
        """Make a change; the alias file is what counts, so it is first."""
        content = msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
        replace_file(self.root / "aliases" / record.name / f"{record.alias}.json", content)
        _append(self._history_file(record.name), record)
        return record

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._sweep()
            yield


def _check_unmoved(name: str, alias: str, current: AliasRecord | None, since: int | None) -> None:
    if since is not None and since != (current.change if current else 0):
        now = f"version {current.version} by {current.person}" if current else "nothing"
        raise StoreError(
            f"alias {alias!r} of {name!r} moved to {now} while the gates ran: their verdicts compare with what it was "
            "before; promote again"
        )


def _append(path: Path, record: msgspec.Struct) -> None:
    """Append one line durably, after cutting off a torn one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        file.seek(0)
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
        file.write(msgspec.json.encode(record) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def _read(path: Path, kind: type[Record]) -> list[Record]:
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    return [_decode(line, kind, path) for line in whole.splitlines()]


def _decode(content: bytes, kind: type[Record], path: Path) -> Record:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        raise StoreError(f"{path} cannot be read: {error}; it was changed by hand: restore it") from error
