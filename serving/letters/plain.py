"""How plain a text reads: sentences, words and syllables counted, and hard words named. A proxy for level B1, and no proof that anybody understands it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_WORDS: Mapping[str, Any] = tomllib.loads((Path(__file__).resolve().parents[1] / "texts" / "plain_words.toml").read_text(encoding="utf-8"))
LEAST_EASE = 65.0
"""The formulas' own scale: 60 to 70 is plain language, 70 to 80 easy. Letters are to keep to the plain half and above."""
MOST_WORDS_A_SENTENCE = 12.0
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_SENTENCE_END = re.compile(r"[.!?:]+(?=\s|$)|\n\s*\n|\n(?=#)")
_FILLED = re.compile(r"\{\w+\}")
# Runs of vowels that are one syllable; what follows them in a run begins another.
_SYLLABLE = {
    "nl": re.compile(r"aai|ooi|oei|eeu|ieu|aa|ee|oo|uu|ie|oe|eu|ui|ij|ei|au|ou|[aeiouyäëïöüáéíóúèêô]"),
    "en": re.compile(r"[aeiouy]+"),
}


@dataclass(frozen=True)
class Plainness:
    """How plain a text reads.

    Attributes
    ----------
    ease : float
        Reading ease, 0 to about 100; higher is plainer.
    words_a_sentence, syllables_a_word : float
    hard : tuple of (str, str)
        Hard words that stand in it, each with a plainer one.
    never : tuple of str
        What no letter to a student may hold and this one does.
    """

    ease: float
    words_a_sentence: float
    syllables_a_word: float
    hard: tuple[tuple[str, str], ...]
    never: tuple[str, ...]

    @property
    def plain(self) -> bool:
        """Whether it reads as plain as letters are to read."""
        return self.ease >= LEAST_EASE and self.words_a_sentence <= MOST_WORDS_A_SENTENCE and not self.hard


def plainness(text: str, language: str) -> Plainness:
    """Measure how plain a text reads.

    Parameters
    ----------
    text : str
        What stands between braces is left out, as it is filled in later.
    language : {'nl', 'en'}

    Returns
    -------
    Plainness
        Its ease is Douma's for Dutch (W. H. Douma, 'De leesbaarheid van landbouwbladen', 1960: 206.84 - 0.93 words a sentence - 77 syllables a word) and
        Flesch's for English (R. Flesch, 'A new readability yardstick', 1948: 206.835 - 1.015 and - 84.6). Syllables are counted by runs of vowels.
    """
    bare = _FILLED.sub("", text)
    sentences = [words for part in _SENTENCE_END.split(bare) if (words := _WORD.findall(part))]
    words = [word.casefold() for sentence in sentences for word in sentence]
    if not words:
        return Plainness(100.0, 0.0, 0.0, (), ())
    length, syllables = len(words) / len(sentences), sum(syllables_in(word, language) for word in words) / len(words)
    ease = 206.84 - 0.93 * length - 77 * syllables if language == "nl" else 206.835 - 1.015 * length - 84.6 * syllables
    told = _WORDS[language]
    hard = tuple((word, plain) for word, plain in told["hard"].items() if any(each.startswith(word) for each in words))
    lowered = bare.casefold()
    return Plainness(ease, length, syllables, hard, tuple(word for word in told["never"] if word in lowered))


def syllables_in(word: str, language: str) -> int:
    """Count the syllables of a word by its runs of vowels; one at least."""
    found = len(_SYLLABLE[language].findall(word.casefold()))
    if language == "en" and word.casefold().endswith("e") and not word.casefold().endswith("le") and found > 1:
        found -= 1
    return max(found, 1)
