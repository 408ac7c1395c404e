"""Pages that stand on their own: one file that loads nothing, words from a file, everything escaped. Knows nothing of what it tells."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from riskmodel.contract.pictures import in_language
from riskmodel.resources import words_file

Language = Literal["nl", "en"]
_TEMPLATES = Path(__file__).with_name("templates")


def read_words(name: str, language: Language) -> dict[str, Any]:
    """Give the words of one page, e.g. 'fairness', in one language."""
    return tomllib.loads(words_file(f"{name}.{language}.toml").read_text(encoding="utf-8"))


def render(template: str, **values: Any) -> str:
    """Fill in a template of `templates/`; a name that is missing is an error, and what an institution wrote is text, never markup."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return in_language(environment.get_template(template).render(**values), str(values.get("language", "")))


def picture(svg: str) -> Markup:
    """Mark a picture that this product drew as safe to stand in a page."""
    return Markup(svg)  # noqa: S704 - drawn here, its texts escaped by matplotlib


def percent(value: float | None, language: Language, digits: int = 0) -> str:
    """Write a share as a percentage, as the language does; a dash where there is none."""
    return "-" if value is None or value != value else f"{number(100 * value, language, digits)} %"


def number(value: float | None, language: Language, digits: int = 0) -> str:
    """Write a number as the language does; a dash where there is none."""
    if value is None or value != value:
        return "-"
    told = f"{value:,.{digits}f}"
    if float(f"{value:.{digits}f}") == 0:
        told = told.removeprefix("-")
    return told.translate(str.maketrans(",.", ".,")) if language == "nl" else told


def listed(names: Sequence[str], word: str) -> str:
    """Join names as a sentence does: 'a, b and c'."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}" if names else ""
