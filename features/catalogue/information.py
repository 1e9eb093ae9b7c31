"""Information: how predictable the sequence of returns is, from entropies of what their signs and sizes spell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.blocks import LOG_RETURN, SCALED_RETURN, apply, window_sum
from features.errors import FeatureError
from features.feature import Feature
from features.kernels import entropy, ratios
from features.nodes import COUNT, Fitted, Node, Ring, Value

SIGN_LETTERS = 3
PER_LETTER = 100
"""The fewest training rows for each quantile."""


@dataclass(frozen=True, slots=True)
class QuantileFit:
    """The inner quantiles that cut the training rows of all runs together into equal shares.

    A cut lies midway between a row's value and the next larger one: no rounding decides a training row's symbol.
    """

    letters: int

    def __call__(self, runs: Sequence[NDArray[np.float64]]) -> list[float]:
        """The ``letters - 1`` cuts, rising."""
        rows = sum(len(run) for run in runs)
        if rows < self.letters * PER_LETTER:
            raise FeatureError(f"{rows} returns after warm-up for {self.letters} quantiles need {PER_LETTER} each")
        ordered = np.sort(np.concatenate(runs)[:, 0])
        last = np.arange(1, self.letters) * rows // self.letters - 1  # of those at or below each cut
        above = np.minimum(np.searchsorted(ordered, ordered[last], side="right"), rows - 1)
        found: list[float] = (0.5 * (ordered[last] + ordered[above])).tolist()
        return found


@dataclass(frozen=True, slots=True)
class Alphabet:
    """An encoding of returns as symbols 0 … letters - 1; ``sizes`` are its own parameters."""

    name: str
    letters: int
    symbol: Node
    meaning: str
    sizes: tuple[tuple[str, float], ...] = ()


SIGNS = Alphabet("sign", SIGN_LETTERS, apply(entropy.sign_symbol, LOG_RETURN), "the signs (fell, stood, rose) of the")


def quantiles(letters: int) -> Alphabet:
    """Quantiles of volatility-scaled returns, fitted on training bars (section 18.5.2)."""
    fitted = Fitted(f"return_quantiles_{letters}", letters - 1, (SCALED_RETURN,), QuantileFit(letters))
    symbol = Node(entropy.quantile_symbol, (SCALED_RETURN, fitted), (letters,))
    meaning = f"the {letters} quantiles, fitted on training bars, of the volatility-scaled"
    return Alphabet("quantile", letters, symbol, meaning, (("letters", letters),))


def saying(letters: Alphabet, what: str, node: Node, unit: str, meaning: str, section: str, **sizes: float) -> Feature:
    """What a message in some alphabet says; the feature's name ends in the alphabet's sizes and its own."""
    parameters = {**dict(letters.sizes), **sizes}
    name = "_".join([letters.name, what, *(f"{size:g}" for size in parameters.values())])
    source = f"López de Prado 2018, section {section}"
    return Feature(name, node, 1.0, unit, meaning, source, parameters, "expensive")


def word_entropy(letters: Alphabet, length: int, window: int) -> Node:
    """Plug-in entropy per symbol of the words of ``length`` within the last ``window`` symbols."""
    word: Value = letters.symbol
    if length > 1:
        inputs = (Ring(letters.symbol, length), COUNT)
        word = Node(entropy.word_code, inputs, (letters.letters, length), delay=length - 1)
    words, kinds = window - length + 1, letters.letters**length
    ring = Ring(word, words + 1)
    return Node(entropy.word_entropy, (word, ring, COUNT), (words, kinds, length), ints=kinds + 1, delay=words - 1)


def shannon(letters: Alphabet, window: int) -> Feature:
    """Entropy of single symbols."""
    most = np.log2(letters.letters)
    meaning = f"Shannon entropy of {letters.meaning} last {window} log returns, 0 to {most:.3g}"
    return saying(letters, "entropy", word_entropy(letters, 1, window), "bits", meaning, "18.2", window=window)


def plug_in(letters: Alphabet, length: int, window: int) -> Feature:
    """Entropy of words."""
    meaning = f"plug-in entropy per symbol of words of {length} from {letters.meaning} last {window} log returns"
    node = word_entropy(letters, length, window)
    return saying(letters, "word_entropy", node, "bits", meaning, "18.3", length=length, window=window)


def lempel_ziv(letters: Alphabet, window: int) -> Feature:
    """How many words a compressor finds."""
    inputs, children = (Ring(letters.symbol, window), COUNT), (window + 1) * letters.letters
    node = Node(entropy.lempel_ziv, inputs, (window, letters.letters), ints=children, delay=window - 1)
    meaning = f"different words a Lempel–Ziv reader meets in {letters.meaning} last {window} log returns, per return"
    return saying(letters, "lempel_ziv", node, "words", meaning, "18.4", window=window)


def kontoyiannis(letters: Alphabet, reach: int, places: int) -> Feature:
    """Entropy rate from how far the past repeats itself."""
    inputs = (Ring(letters.symbol, 2 * reach), COUNT)
    share = Node(entropy.match_share, inputs, (reach,), delay=2 * reach - 1)
    node = apply(ratios.linear, window_sum(share, places), params=(1.0 / places, 0.0))
    meaning = (
        f"mean of log2({reach} + 1) / L over {places} places; L is one more than the longest match of what follows a "
        f"place with what begins in the {reach} symbols before it, in {letters.meaning} log returns"
    )
    return saying(letters, "kontoyiannis", node, "bits", meaning, "18.4", reach=reach, places=places)


QUARTERS, EIGHTHS = quantiles(4), quantiles(8)

FEATURES = (
    shannon(SIGNS, 96),
    shannon(EIGHTHS, 96),
    plug_in(SIGNS, 3, 96),
    plug_in(QUARTERS, 2, 96),
    lempel_ziv(SIGNS, 96),
    lempel_ziv(QUARTERS, 96),
    kontoyiannis(SIGNS, 32, 64),
    kontoyiannis(QUARTERS, 32, 64),
)
