"""What members raise on purpose. The message names the offending thing, the limit and what to do."""

from __future__ import annotations


class MemberError(ValueError):
    """There is nothing to learn from in these samples, or rows were asked for that a member cannot predict."""
