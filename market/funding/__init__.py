"""Funding rates and mark prices of perpetuals: read, checked, kept in the lake, joined to bars on availability.

In the lake and in files read, a funding is a row of `market.bars.BAR` whose ``start`` and ``end`` are the time at which
it was settled and its rate published; of its fields only ``funding_rate`` and, where the source has it, ``mark_price``
exist. A mark-price bar has ``open``, ``high``, ``low`` and ``close``.
"""

from market.funding.join import join_funding, join_marks

__all__ = ["join_funding", "join_marks"]
