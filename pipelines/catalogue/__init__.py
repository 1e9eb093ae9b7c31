"""The catalogue of features for people: lists, one feature whole, the page of the manual, and what a plot shows."""
