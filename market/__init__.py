"""Market data: instruments, events, bars, sources, the lake, quality gates, synthetic markets."""
