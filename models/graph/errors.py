"""What building a graph raises on purpose. The message names the offending thing, the limit and what to do."""

from __future__ import annotations


class GraphError(ValueError):
    """A model that the graph cannot represent exactly, or parts that do not fit together."""
