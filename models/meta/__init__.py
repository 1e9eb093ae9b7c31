"""The second stage: whether the ensemble's side is right, learned apart from the side (López de Prado 2018, 3.6).

`config` says how, `inputs` what it sees, `fit` finds its numbers, `nested` says on which rows: forward in time.
"""
