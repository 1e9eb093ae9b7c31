"""One probability of many: how members are pooled and calibrated, nested forward in time.

`config` says how, `pools` and `calibration` fit, `nested` says on what, `logits` are the steps they share.
"""
