"""The kinds of features that people ask for."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Kind: TypeAlias = Literal["cheap", "expensive", "book", "cross", "fitted", "plugin"]
KINDS: tuple[Kind, ...] = get_args(Kind)
