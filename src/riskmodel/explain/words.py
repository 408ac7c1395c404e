"""The words in which scores are told: a Dutch and an English file, with an institution's own on top. No phrase stands in code."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from riskmodel.errors import ConfigurationFault
from riskmodel.resources import words_file

Language = Literal["nl", "en"]
DECLARED = "declared"


@dataclass(frozen=True)
class Words:
    """All phrases of one language.

    Attributes
    ----------
    language : {'nl', 'en'}
    phrases : mapping
        The nested tables of the words file.
    """

    language: Language
    phrases: Mapping[str, Any]

    def general(self, key: str) -> str:
        """Give a general phrase."""
        return str(self.phrases["general"][key])

    def label(self, reason: str) -> str:
        """Give what a reason is called; its own key where the file has no label."""
        return str(self.phrases["labels"].get(reason, reason))

    def number(self, value: float, decimals: int = 1) -> str:
        """Write a number as this language does; a whole number without decimals."""
        text = f"{value:.{decimals}f}"
        if decimals and float(text) == int(float(text)):
            text = str(int(float(text)))
        return text.replace(".", ",") if self.language == "nl" else text

    def count(self, unit: str, value: float) -> str:
        """Write a whole number with its unit in the singular or plural, e.g. '1 day', '3 days'."""
        whole = round(value)
        return f"{whole} {self.phrases['units'][f'{unit}_one' if whole == 1 else f'{unit}_many']}"


def load_words(language: Language, own: Path | None = None) -> Words:
    """Read the phrases of a language.

    Parameters
    ----------
    language : {'nl', 'en'}
    own : Path, optional
        An institution's file in the same shape; its phrases replace those of the product.

    Raises
    ------
    ConfigurationFault
        The institution's file is no TOML, has a key that the product does not know, or a phrase with a figure that its place does not have.
    """
    phrases = tomllib.loads(words_file(f"{language}.toml").read_text(encoding="utf-8"))
    if own is not None:
        try:
            told = tomllib.loads(own.read_text(encoding="utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationFault(f"this is not valid TOML: {error}.", place=str(own), remedy="Mend the line that is named.") from None
        except OSError as error:
            raise ConfigurationFault(f"this file can't be read ({error.strerror}).", place=str(own), remedy="Check its name.") from None
        _replace(phrases, told, own, ())
    return Words(language, phrases)


def figures_in(phrase: str) -> set[str]:
    """Give the names in braces of a phrase; raises ValueError where a brace is left open."""
    return {name for _, name, _, _ in Formatter().parse(phrase) if name is not None}


def _replace(phrases: dict[str, Any], told: Mapping[str, Any], own: Path, path: tuple[str, ...]) -> None:
    for key, value in told.items():
        here = ".".join((*path, key))
        if key not in phrases or isinstance(phrases[key], dict) != isinstance(value, dict):
            near = difflib.get_close_matches(key, phrases, n=1)
            remedy = f"Did you mean '{near[0]}'?" if near else f"Known here: {', '.join(phrases)}."
            raise ConfigurationFault(f"there is no phrase '{here}'.", place=str(own), remedy=remedy)
        if isinstance(value, dict):
            _replace(phrases[key], value, own, (*path, key))
        else:
            phrases[key] = _checked(str(value), phrases[key], here, own)


def _checked(phrase: str, before: str, here: str, own: Path) -> str:
    known = figures_in(before)
    try:
        unknown = figures_in(phrase) - known
    except ValueError as error:
        raise ConfigurationFault(
            f"the braces of phrase '{here}' don't fit ({error}).", place=str(own), remedy="Write {name} for a figure."
        ) from None
    if unknown:
        has = f"It has {', '.join('{' + name + '}' for name in sorted(known))}." if known else "It has none."
        raise ConfigurationFault(f"the phrase '{here}' has no figure '{', '.join(sorted(unknown))}'.", place=str(own), remedy=has)
    return phrase
