"""Benchmarks: each module has ``run() -> list[Result]``; ours beside a peer in the same run."""
