"""Cross-sectional bar fields: what the other instruments of a panel did in the same step."""
