"""How much a word looks as if a machine had drawn it: what tells a key from a placeholder."""

from collections import Counter
from itertools import pairwise
from math import log2
from typing import Final

PLACEHOLDERS: Final = (
    "example", "placeholder", "dummy", "changeme", "change-me", "change_me", "your", "redacted", "sample",
    "xxxx", "****", "....", "fake", "foobar", "insert", "notreal", "not-real", "not_a_real", "todo", "<",
    "{{", "${", "replace", "mysecret", "my-secret", "my_secret", "lorem",
)  # fmt: skip
MOST_IN_ORDER: Final = 0.5  # of the steps from letter to letter; `abcdefgh` and `12345678` have nearly all


def entropy(word: str) -> float:
    """Return Shannon's entropy in bits per character; 0 for an empty word."""
    counts, length = Counter(word), len(word)
    return -sum(count / length * log2(count / length) for count in counts.values()) if length else 0.0


def is_placeholder(word: str) -> bool:
    """Say whether a person wrote the word to stand for a secret."""
    low = word.lower()
    woven = min(_in_order(low[::2]), _in_order(low[1::2]))  # a1b2c3d4
    return any(mark in low for mark in PLACEHOLDERS) or max(_in_order(low), woven) > MOST_IN_ORDER


def is_drawn(word: str, least: float) -> bool:
    """Say whether the word has at least so many bits per character and stands for nothing else."""
    return entropy(word) >= least and not is_placeholder(word)


def classes(word: str) -> int:
    """Return how many of lower case, upper case, digits and signs the word has."""
    tests = (str.islower, str.isupper, str.isdigit, lambda letter: not letter.isalnum())
    return sum(any(test(letter) for letter in word) for test in tests)


def _in_order(word: str) -> float:
    """Return the part of the steps from one character to the next that are none or one."""
    steps = [ord(after) - ord(before) for before, after in pairwise(word)]
    return sum(step in (0, 1, -1) for step in steps) / len(steps) if steps else 0.0
