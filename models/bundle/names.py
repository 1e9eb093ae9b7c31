"""Names of models and aliases as people write them: a misspelt one is refused, with what may have been meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from models.bundle.errors import StoreError

CHALLENGER = "challenger"
CHAMPION = "champion"
ALIASES = (CHALLENGER, CHAMPION)
"""Every alias there is: each has gates of its own, so that a misspelt one must not be promoted to."""


def check_name(what: str, name: str) -> None:
    """Refuse what cannot be a file's name.

    Raises
    ------
    StoreError
        With what it has to look like.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]{0,99}", name):
        raise StoreError(f"{what} {name!r} must start with a letter and have only letters, digits, '.', '_' and '-'")


def reference(text: str) -> int | str:
    """A version number or an alias as the store takes it.

    Examples
    --------
    >>> reference("3"), reference("@champion"), reference("²")
    (3, 'champion', '²')
    """
    return int(text) if text.isdecimal() else text.removeprefix("@")


def unknown_alias(alias: str) -> str:
    """Why an alias is none, in words; empty if it is one.

    Examples
    --------
    >>> unknown_alias("champoin")
    "there is no alias 'champoin', only challenger and champion; did you mean 'champion'?"
    >>> unknown_alias("champion")
    ''
    """
    return (
        "" if alias in ALIASES else f"there is no alias {alias!r}, only {' and '.join(ALIASES)}{meant(alias, ALIASES)}"
    )


def check_alias(alias: str) -> None:
    """Refuse an alias that there is not.

    Raises
    ------
    StoreError
        With the nearest one, and all there are.
    """
    if problem := unknown_alias(alias):
        raise StoreError(problem)


def meant(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the known ones most like it; empty if none is.

    Examples
    --------
    >>> meant("tinny", ("tiny", "spot")), meant("x", ("tiny", "spot"))
    ("; did you mean 'tiny'?", '')
    """
    near = difflib.get_close_matches(name, list(known))
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
