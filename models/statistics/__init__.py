"""Statistics of predictions and of returns: estimates with their uncertainty."""
