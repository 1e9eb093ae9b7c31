"""The bundle: format, verification, graph runner, store. Loads no training library."""
