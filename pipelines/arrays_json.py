"""One JSON document with its NumPy arrays beside it, each named by the digest of its bytes.

A struct's array fields appear in the document as ``{"npy": "arrays/<digest>.npy"}``. The document is written last
and at once, so a folder that has it is whole; an array that was changed afterwards is refused on loading.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.errors import StageError

T = TypeVar("T")
FOLDER = "arrays"


def npy_bytes(values: NDArray[Any]) -> bytes:
    """An array in NumPy's own file format, without pickle."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(values), allow_pickle=False)
    return buffer.getvalue()


def content_digest(content: bytes) -> str:
    """The digest that names an array's file."""
    return hashlib.sha256(content).hexdigest()[:32]


def write_document(value: Any, folder: Path, name: str) -> Path:
    """Write ``value`` as ``folder/name``, its arrays below ``folder/arrays``.

    Parameters
    ----------
    value
        Anything msgspec encodes, with NumPy arrays in it. Undefined numbers (NaN) are written as null.
    """
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)

    def reference(found: Any) -> Any:
        if isinstance(found, np.generic):
            return found.item()
        if not isinstance(found, np.ndarray):
            raise NotImplementedError(f"{type(found).__name__} cannot be stored in {name}")
        content = npy_bytes(found)
        relative = f"{FOLDER}/{content_digest(content)}.npy"
        (folder / relative).write_bytes(content)
        return {"npy": relative}

    encoded = msgspec.json.encode(value, enc_hook=reference, order="deterministic")
    scratch = folder / f".{name}.tmp"
    scratch.write_bytes(msgspec.json.format(encoded, indent=1))
    os.replace(scratch, folder / name)
    return folder / name


def read_document(kind: type[T], folder: Path, name: str) -> T:
    """Read what `write_document` wrote.

    Raises
    ------
    StageError
        If the document or an array is missing, is not of this kind, or was changed since it was written.
    """

    def resolve(expected: Any, found: Any) -> NDArray[Any]:
        content = (folder / found["npy"]).read_bytes()
        if f"{FOLDER}/{content_digest(content)}.npy" != found["npy"]:
            raise ValueError(f"{found['npy']} was changed after it was written; run the training again")
        return np.load(io.BytesIO(content), allow_pickle=False)  # type: ignore[no-any-return]

    try:
        return msgspec.json.decode((folder / name).read_bytes(), type=kind, dec_hook=resolve)
    except FileNotFoundError as error:
        raise StageError(f"{folder} is not the folder of a finished run: {error.filename} is missing") from None
    except msgspec.MsgspecError as error:
        raise StageError(f"{folder / name}: {error}") from None
