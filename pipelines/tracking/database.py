"""MLflow's SQLite file, made whole or not at all: migrations that a kill broke off could never be gone on with."""

from __future__ import annotations

from pathlib import Path

from market.locks import locked

SCHEME = "sqlite:///"


def make_database(uri: str) -> None:
    """Make the file of a ``sqlite:///`` store with MLflow's tables, unless it is there or the store is another.

    MLflow makes its tables step by step in the file itself, and a file where it was killed between two of them is
    refused ever after. So they are made beside it, and the file appears when it is finished.
    """
    if not uri.startswith(SCHEME):
        return
    path = Path(uri.removeprefix(SCHEME))
    if path.exists() or not path.parent.is_dir():
        return
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    with locked(path.parent):
        if path.exists():
            return  # another process was faster
        scratch = path.with_name(f".{path.name}-made")
        for left in path.parent.glob(f"{scratch.name}*"):
            left.unlink()
        engine = create_sqlalchemy_engine(f"{SCHEME}{scratch}")
        _initialize_tables(engine)
        engine.dispose()
        scratch.rename(path)
