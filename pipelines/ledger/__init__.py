"""The trial ledger: every trial that touched a stretch of data, append-only, counted in every verdict."""
