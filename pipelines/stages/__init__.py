"""The stages of a run: plain functions over content-addressed artefacts. Flows only schedule them."""
