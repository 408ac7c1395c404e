"""The fields of a 1cijferHO enrolment file that this product may read, by the names that its layout gives them. Knows no positions.

A name is recognised whatever its case, signs, accents and usual abbreviations, so that a layout, the sector's converter and a
spreadsheet that lost its accents all give the same fields.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

_WHOLE = {
    "opl": "opleiding",
    "vooropl": "vooropleiding",
    "gem": "gemiddeld",
    "act": "actuele",
    "inst": "instelling",
    "eerstejrs": "eerstejaars",
    "ho": "hogeronderwijs",
}
_ACCENT = "\0"


@dataclass(frozen=True)
class Field:
    """A field: what it is called here, what the layout calls it, and whether nothing can be built without it."""

    key: str
    name: str
    needed: bool = False


_ALL = (
    Field("person", "Persoonsgebonden nummer", needed=True),
    Field("year", "Inschrijvingsjaar", needed=True),
    Field("institution", "Actuele instelling", needed=True),
    Field("programme", "Opleiding actueel equivalent", needed=True),
    Field("end_code", "Code beëindiging", needed=True),
    Field("domain", "Soort hoger onderwijs", needed=True),
    Field("type", "Type hoger onderwijs binnen soort hoger onderwijs", needed=True),
    Field("kind", "Soort inschrijving hoger onderwijs", needed=True),
    Field("prior", "Hoogste vooropleiding vóór het HO", needed=True),
    Field("first_programme", "Indicatie eerstejaars actuele opl.-instelling"),
    Field("first_institution", "Indicatie eerstejaars actuele instelling"),
    Field("first_ho", "Eerste jaar in het hoger onderwijs"),
    Field("form", "Opleidingsvorm"),
    Field("month_from", "Maand vanaf"),
    Field("active", "Indicatie actief op peildatum"),
    Field("prior_year", "Diplomajaar van de hoogste vooropl. vóór het HO"),
    Field("grade", "Gem. eindcijfer VO van de hoogste vooropl. vóór het HO"),
    Field("begin", "Datum inschrijving"),
    Field("end", "Datum uitschrijving"),
)
FIELDS: Mapping[str, Field] = {field.key: field for field in _ALL}

# What may go to `groups` where an institution asks for it, and nowhere else; numbers that identify a person are not among them.
SENSITIVE = (
    "Geslacht",
    "Leeftijd per peildatum 1 oktober",
    "Leeftijd per 1 januari",
    "Nationaliteit 1",
    "Nationaliteit 2",
    "Nationaliteit 3",
    "Geboorteland",
    "Geboorteland ouder 1",
    "Geboorteland ouder 2",
    "Etniciteit",
    "Migratieachtergrond",
    "Generatie",
    "Postcodecijfers student op 1 oktober",
    "Postcodecijfers van de hoogste vooropl. vóór het HO",
    "Herkomstland volgens CBS-definitie",
    "Herkomst-indikking volgens CBS-definitie",
    "Indicatie geboren",
    "Indicatie EER actueel",
    "Indicatie EER op peildatum 1 oktober",
    "Indicatie internationale student",
)


@cache
def plain(name: str) -> str:
    """Give a field's name without case, signs and accents, abbreviations written out: 'Soort inschrijving ho' is 'soortinschrijvinghogeronderwijs'."""
    decomposed = unicodedata.normalize("NFKD", name)
    letters = "".join(sign for sign in decomposed if not unicodedata.combining(sign)).lower()
    return "".join(_WHOLE.get(word, word) for word in re.split(f"[^a-z0-9{_ACCENT}]+", letters))


@cache
def _pattern(name: str) -> re.Pattern[str]:
    """Give what a name looks like once its accents were lost or mangled on the way."""
    marked = "".join(_ACCENT if ord(sign) > 127 else sign for sign in unicodedata.normalize("NFC", name))
    marked = re.sub(f"{_ACCENT}+", _ACCENT, marked)
    return re.compile(re.escape(plain(marked)).replace(re.escape(_ACCENT), "[a-z]{0,4}"))


def find(name: str, names: Iterable[str]) -> str | None:
    """Give the one of `names` that is this field's, or None.

    Parameters
    ----------
    name : str
        What the layout calls the field.
    names : iterable of str
        Headers or a layout's names.
    """
    have = {plain(each): each for each in names}
    exact = have.get(plain(name))
    if exact is not None:
        return exact
    pattern = _pattern(name)
    return next((told for short, told in have.items() if pattern.fullmatch(short)), None)


def column_name(name: str) -> str:
    """Give a field's name as a column of `groups`: 'Geboorteland ouder 1' is 'geboorteland_ouder_1'."""
    decomposed = unicodedata.normalize("NFKD", name)
    letters = "".join(sign for sign in decomposed if not unicodedata.combining(sign)).lower()
    return re.sub("[^a-z0-9]+", "_", letters).strip("_")
