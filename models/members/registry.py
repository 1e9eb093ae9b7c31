"""A mapping from names to classes that are imported when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from models.members.facts import MemberFacts
    from models.members.protocol import Member

    MemberFactory = Callable[..., Member]
    """Called with nothing for the defaults, or with ``config=`` the member's own configuration."""


class Registry(Mapping[str, "MemberFactory"]):
    """Members by name, in the order they were written down.

    Parameters
    ----------
    places
        For each name, where its class is, as ``module:class``.

    Examples
    --------
    >>> registry = Registry({"linear": "models.members.linear:LinearMember"})
    >>> registry["linear"]().name
    'linear'
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)

    def __getitem__(self, name: str) -> MemberFactory:
        module, attribute = self._places[name].split(":")
        return cast("MemberFactory", getattr(import_module(module), attribute))

    def facts(self, name: str) -> MemberFacts:
        """What is to be known of a member's kind.

        Examples
        --------
        >>> Registry({"linear": "models.members.linear:LinearMember"}).facts("linear").importance
        'absolute coefficient'
        """
        found: MemberFacts = self[name].facts  # type: ignore[attr-defined]
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
