"""Features: one compiled step per feature, replayed over history and called live."""
