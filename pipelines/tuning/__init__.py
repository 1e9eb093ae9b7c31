"""Tuning: a space of a training's configurations, searched on the training's own purged folds; every trial counts."""
