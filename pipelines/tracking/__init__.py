"""MLflow: what a run tracks, where, and the mirror of the model store in MLflow's registry."""
