"""The figures of a run: one function each, from a result to a matplotlib figure, in one style."""
