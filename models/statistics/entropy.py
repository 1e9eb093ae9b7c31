"""Entropy of a message: how much each symbol says, in bits (AFML chapter 18).

A message is a string, or an array of integers (signs of returns, quantiles: AFML section 18.5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel
from models.errors import ModelError

Integers = NDArray[np.int64]
Message = str | Integers


@kernel
def match_lengths(message: Integers, first: int, last: int, window: int, found: Integers) -> None:
    """One more than the longest match of what follows each place with what begins in the window before it.

    Places from ``first`` to ``last``; a match may run past the place, and is at most as long as the window. With a
    window of 0 it is everything before the place.
    """
    for place in range(first, last + 1):
        width = window if window > 0 else place
        longest = 0
        for begin in range(place - width, place):
            length = 0
            while (
                length < width
                and place + length < message.shape[0]
                and message[begin + length] == message[place + length]
            ):
                length += 1
            longest = max(longest, length)
        found[place - first] = longest + 1


def symbols(message: Message) -> Integers:
    """A message's symbols as numbers from 0, shape (n,).

    Raises
    ------
    ModelError
        If it is empty.
    """
    letters = np.array(list(message)) if isinstance(message, str) else np.asarray(message)
    if letters.ndim != 1 or len(letters) == 0:
        raise ModelError(f"a message of shape {letters.shape} has no entropy: give one row of symbols")
    found: Integers = np.unique(letters, return_inverse=True)[1].astype(np.int64)
    return found


def plug_in_entropy(message: Message, word: int = 1) -> float:
    """Entropy of the words' frequencies, per symbol (section 18.3); of single symbols it is Shannon's (section 18.2).

    Parameters
    ----------
    message
        Of n symbols.
    word
        Length of the words; all n − word + 1 count (the book's snippet 18.1 leaves out the last).

    Raises
    ------
    ModelError
        If the message is shorter than a word.

    Examples
    --------
    >>> plug_in_entropy("11100001"), round(plug_in_entropy("11100001", 2), 4)
    (1.0, 0.9212)
    """
    numbers = symbols(message)
    if not 1 <= word <= len(numbers):
        raise ModelError(f"words of {word} symbols in a message of {len(numbers)}")
    words = np.lib.stride_tricks.sliding_window_view(numbers, word)
    share = np.unique(words, axis=0, return_counts=True)[1] / len(words)
    return float(-(share @ np.log2(share)) / word) + 0.0


def lempel_ziv_complexity(message: Message) -> float:
    """Number of different words that a Lempel–Ziv reader meets, per symbol (snippet 18.2).

    Examples
    --------
    The words of "11100001" are 1, 11, 0, 00, 01 … in reading order:

    >>> lempel_ziv_complexity("11100001")
    0.625
    """
    text = tuple(symbols(message).tolist())
    library, begin = {text[:1]}, 1
    while begin < len(text):
        end = begin + 1
        while text[begin:end] in library and end < len(text):
            end += 1
        library.add(text[begin:end])
        begin = end
    return len(library) / len(text)


def kontoyiannis_entropy(message: Message, window: int | None = None) -> float:
    """Entropy from how far back-references reach: the mean of log2(n + 1) / L over places (snippets 18.3 and 18.4).

    The 2013 version of Gao, Kontoyiannis and Bienenstock's estimators, with +1 to avoid Doeblin's condition.

    Parameters
    ----------
    message
        Of n symbols, at least two. If its end matters more, reverse it.
    window
        Look back over so many symbols, at most n / 2; if absent, over all, from the first half's places.

    Raises
    ------
    ModelError
        If there are fewer than two symbols, or the window is empty.

    Examples
    --------
    >>> round(kontoyiannis_entropy("11100001"), 4)
    0.9682
    """
    numbers = symbols(message)
    if len(numbers) < 2 or (window is not None and window < 1):
        raise ModelError(
            f"a message of {len(numbers)} symbols, a window of {window}: give two symbols and one of window"
        )
    half = len(numbers) // 2
    width = 0 if window is None else min(window, half)
    first, last = (1, half) if window is None else (width, len(numbers) - width)
    found = np.empty(last - first + 1, np.int64)
    match_lengths(numbers, first, last, width, found)
    reach = np.arange(first, last + 1) if window is None else np.full(len(found), width)
    return float((np.log2(reach + 1.0) / found).mean())
