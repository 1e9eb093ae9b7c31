"""Leaks of what is fitted: scalers, selections, encodings, calibrations, thresholds, stackers; and of fills."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from pipelines.audit.learned import Learned, OutOfFold, StackerInputs
from pipelines.audit.pieces import FILL, Orders
from tests.pipelines.leaks.planted import INPUTS, LABELS, Planted, returns, walk_forward


def fitted(examples, rows, columns=slice(None)):
    model = LogisticRegression(C=0.1)
    return model.fit(examples.features[rows][:, columns], examples.label[rows], examples.weight[rows])


def earlier_part(train, share=0.8):
    """Training rows in two parts, in the order they stand, which is that of time."""
    cut = int(share * len(train))
    return train[:cut], train[cut:]


def scaled(leaky):
    def predict(examples, train, test):
        scaler = StandardScaler().fit(examples.features[np.concatenate([train, test]) if leaky else train])
        inputs = scaler.transform(examples.features)
        model = LogisticRegression(C=0.1).fit(inputs[train], examples.label[train])
        probability = model.predict_proba(inputs[test])[:, 1]
        return Learned({"probability": probability}, {"scaler mean": scaler.mean_})

    return predict


def principal(leaky):
    def predict(examples, train, test):
        reduction = PCA(2).fit(examples.features if leaky else examples.features[train])
        inputs = reduction.transform(examples.features)
        model = LogisticRegression(C=0.1).fit(inputs[train], examples.label[train])
        return Learned({"probability": model.predict_proba(inputs[test])[:, 1]}, {"pca": reduction.components_})

    return predict


def selected(leaky):
    """The two features that are most correlated with the label, on everything or on the training rows."""

    def predict(examples, train, test):
        rows = np.arange(len(examples)) if leaky else train
        strength = [abs(np.corrcoef(column, examples.label[rows])[0, 1]) for column in examples.features[rows].T]
        chosen = np.sort(np.argsort(strength)[-2:])
        model = fitted(examples, train, chosen)
        probability = model.predict_proba(examples.features[test][:, chosen])[:, 1]
        return Learned({"probability": probability}, {"strength": np.array(strength)})

    return predict


def encoded(leaky):
    """The hour of the day as the mean label of that hour."""

    def predict(examples, train, test):
        rows = np.arange(len(examples)) if leaky else train
        hours = examples.features[:, 3].astype(int)
        mean = np.array([examples.label[rows][hours[rows] == hour].mean() if (hours[rows] == hour).any() else 0.5
                         for hour in range(24)])  # fmt: skip
        return Learned({"hour encoded": mean[hours[test]]})

    return predict


def stopped(leaky):
    """The strength of the penalty that loses least on the test, or on the end of the training rows."""

    def predict(examples, train, test):
        early, late = earlier_part(train)
        judge = test if leaky else late
        losses, models = [], [LogisticRegression(C=c).fit(examples.features[early], examples.label[early])
                              for c in (1e-4, 1e-2, 1.0, 100.0)]  # fmt: skip
        for model in models:
            p = np.clip(model.predict_proba(examples.features[judge])[:, 1], 1e-6, 1 - 1e-6)
            losses.append(-np.mean(np.where(examples.label[judge] == 1, np.log(p), np.log1p(-p))))
        chosen = models[int(np.argmin(losses))]
        return Learned({"probability": chosen.predict_proba(examples.features[test])[:, 1]},
                       {"validation loss": np.array(losses)})  # fmt: skip

    return predict


def calibrated(leaky):
    """Platt's scaling fitted on the fold it scores, or on the end of the training rows."""

    def predict(examples, train, test):
        early, late = earlier_part(train)
        model, rows = fitted(examples, early), test if leaky else late
        scores = model.decision_function(examples.features)[:, None]
        platt = LogisticRegression(C=1e6).fit(scores[rows], examples.label[rows])
        return Learned({"calibrated": platt.predict_proba(scores[test])[:, 1]})

    return predict


def second_stage(leaky):
    """How probably a model's side is right, learned on the fold it scores, or on the end of the training rows."""

    def predict(examples, train, test):
        early, late = earlier_part(train)
        score, rows = fitted(examples, early).decision_function(examples.features), test if leaky else late
        right = (score >= 0) == (examples.label == 1)
        inputs = np.column_stack([np.abs(score), examples.features[:, 0]])
        second = LogisticRegression(C=1.0).fit(inputs[rows], right[rows])
        return Learned({"side": (score[test] >= 0).astype(np.int64), "right": second.predict_proba(inputs[test])[:, 1]})

    return predict


def decided(leaky):
    """The threshold that would have been right most often on the test, or on the training rows."""

    def predict(examples, train, test):
        probability = fitted(examples, train).predict_proba(examples.features)[:, 1]
        rows = test if leaky else train
        grid = np.quantile(probability[rows], np.linspace(0.05, 0.95, 19))
        right = [((probability[rows] > one) == examples.label[rows]).mean() for one in grid]
        threshold = grid[int(np.argmax(right))]
        return Learned({"decision": (probability[test] > threshold).astype(np.int64)})

    return predict


def recentred(leaky):
    """Probabilities less their mean over the test, or over the training rows."""

    def predict(examples, train, test):
        probability = fitted(examples, train).predict_proba(examples.features)[:, 1]
        level = probability[test if leaky else train].mean()
        return Learned({"probability": probability[test] - level})

    return predict


def member_predictions(leaky):
    """What the stacker learns from: members that have seen the rows, or members of the parts before."""

    def inputs(examples, train):
        if leaky:
            return fitted(examples, train).predict_proba(examples.features[train])
        found = np.full((len(train), 2), np.nan)
        parts = np.array_split(np.arange(len(train)), 4)
        for number in range(1, 4):
            before = train[np.concatenate(parts[:number])]
            before = before[examples.t1[before] < examples.t0[train[parts[number]]].min()]
            rows = examples.features[train[parts[number]]]
            found[parts[number]] = fitted(examples, before).predict_proba(rows)
        return found

    return inputs


def fills(late, price):
    """Buys after a rise, filled ``late`` bars after the signal's, at that bar's ``price``."""

    def orders(where):
        found = []
        for number, bars in enumerate(where.bars):
            signal = np.flatnonzero(returns(bars, 4) > 1e-3)
            signal = signal[signal + late < len(bars)]
            made = np.zeros(len(signal), FILL)
            made["instrument"], made["signal"] = number, bars["end"][signal]
            made["bar"], made["price"] = bars["start"][signal + late], bars[price][signal + late]
            made["quantity"] = 1.0
            found.append(made)
        return np.concatenate(found)

    return Orders(orders)


def best_price(where):
    """Fills after the signal, at the lowest price of the eight bars behind it."""
    made = fills(1, "open").function(where)
    for number, bars in enumerate(where.bars):
        for place in np.flatnonzero(made["instrument"] == number):
            row = int(np.searchsorted(bars["start"], made["bar"][place]))
            made["price"][place] = bars["low"][row : row + 8].min()
    return made


def learned(name, column, function, stage="predictions"):
    """What is fitted on too much also moves the probabilities that follow from it."""
    pieces = [OutOfFold(INPUTS, LABELS, walk_forward, function(leaky)) for leaky in (True, False)]
    return Planted(name, *pieces, stage, column, ("predictions/probability",) if stage == "fitted" else ())


LEAKS = [
    learned("scaler fitted on training and test", "scaler mean", scaled, "fitted"),
    learned("principal components of everything", "pca", principal, "fitted"),
    learned("features selected on everything", "strength", selected, "fitted"),
    learned("target encoding over all rows", "hour encoded", encoded),
    learned("early stopping on the test", "validation loss", stopped, "fitted"),
    learned("calibration fitted on the fold it scores", "calibrated", calibrated),
    learned("second stage fitted on the fold it scores", "right", second_stage),
    learned("threshold tuned on the test", "decision", decided),
    learned("predictions centred by their test", "probability", recentred),
    Planted("stacker fitted on predictions of rows its members saw",
            StackerInputs(INPUTS, LABELS, walk_forward, member_predictions(True)),
            StackerInputs(INPUTS, LABELS, walk_forward, member_predictions(False)), "stacker", "member 1",
            ("stacker/member 2",)),
    Planted("filled on the signal's own bar", fills(0, "close"), fills(1, "open"), "orders", "bar"),
    Planted("filled at a price of later bars", Orders(best_price), fills(1, "open"), "orders", "price"),
]  # fmt: skip
