"""One page of text, pictures and tables that needs no other file; knows nothing of what it tells."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from riskmodel.contract.findings import Language
from riskmodel.contract.pictures import in_language
from riskmodel.resources import words_file

_TEMPLATE = Path(__file__).with_name("page.html.jinja")


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, perhaps a picture, and perhaps a table; a table beside a picture is folded away."""

    title: str
    text: tuple[str, ...] = ()
    svg: str = ""
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    folded: bool = False


def page_words(name: str, language: Language) -> dict[str, Any]:
    """Give the words of a page, e.g. 'tuning'."""
    return tomllib.loads(words_file(f"{name}.{language}.toml").read_text(encoding="utf-8"))


def render(language: Language, title: str, answer: str, paragraphs: Sequence[str], sections: Sequence[Section], as_table: str) -> str:
    """Give the page as HTML; all text is escaped, pictures are SVG that this product drew.

    Parameters
    ----------
    language : {'nl', 'en'}
    title : str
    answer : str
        What a hurried reader should take away.
    paragraphs : sequence of str
        What stands below it.
    sections : sequence of Section
    as_table : str
        What the fold with a picture's figures is called.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(language=language, title=title, answer=answer, paragraphs=paragraphs, sections=sections, as_table=as_table)
    return in_language(page, language)
