"""`letter.toml`: an institution's own text of the invitation, checked when the service starts. What it leaves out, the shipped text says."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from riskmodel.errors import ConfigurationFault
from serving.languages import LANGUAGES
from serving.letters.plain import LEAST_EASE, Plainness, plainness

_SHIPPED = Path(__file__).resolve().parents[1] / "texts" / "letter.toml"
FILLED_IN = ("name", "coach", "institution", "programme", "minutes", "moments", "link", "until")
"""What a letter's text can have filled in."""
NEEDED = ("coach", "moments", "link", "until")
"""What a letter can't do without: who invites, when, where to answer, and for how long that works."""
_PARTS = {"subject": ("coach", "institution", "programme"), "body": FILLED_IN}


@dataclass(frozen=True)
class Letter:
    """A letter's text in one language, with its places to fill in."""

    subject: str
    body: str

    def filled(self, values: Mapping[str, str]) -> tuple[str, str]:
        """Give subject and body with everything filled in; the subject is one line whatever a name holds."""
        return " ".join(self.subject.format_map(values).split()), self.body.format_map(values).strip() + "\n"


Letters = Mapping[str, Letter]


def read_letters(file: Path | None = None) -> Letters:
    """Read an institution's letter over the shipped one, by language.

    Parameters
    ----------
    file : Path, optional
        Without one the shipped text holds.

    Raises
    ------
    ConfigurationFault
        The file is absent or no TOML; a key is none; something is to be filled in that can't be, or that has to be is not; or the text calls a student
        what no letter may. All that is wrong is told at once.
    """
    own = {} if file is None else _read(file)
    faults = list(_faults(own))
    if faults:
        raise ConfigurationFault(
            f"{'; '.join(faults)}.", place=str(file), remedy="Mend what is named; docs/letters.md tells what can be said."
        )
    shipped = tomllib.loads(_SHIPPED.read_text(encoding="utf-8"))
    return {language: Letter(**(shipped[language] | own.get(language, {}))) for language in LANGUAGES}


def told_plainness(letters: Letters) -> str:
    """Tell in one line how plain each letter reads, and which words to replace."""
    return "; ".join(f"{language}: {_told(plainness(letter.body, language))}" for language, letter in letters.items())


def _told(found: Plainness) -> str:
    words = f", hard words: {', '.join(f'{word} ({plain})' for word, plain in found.hard)}" if found.hard else ""
    verdict = "reads plainly" if found.plain else "could be plainer"
    return f"{verdict} (ease {found.ease:.0f}, aim {LEAST_EASE:.0f}; {found.words_a_sentence:.1f} words a sentence{words})"


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigurationFault(
            f"this file can't be read ({error.strerror}).", place=str(file), remedy="Mend the setting letter_file."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationFault(f"this is not valid TOML: {error}.", place=str(file), remedy="Mend the line that is named.") from None


def _faults(own: Mapping[str, Any]) -> Iterator[str]:
    for language, parts in own.items():
        if language not in LANGUAGES or not isinstance(parts, dict):
            yield f"{language}: there is no such language; there are {', '.join(LANGUAGES)}, each a table"
            continue
        for part, text in parts.items():
            place = f"{language}.{part}"
            if part not in _PARTS:
                yield f"{place}: there is no such part; there are {', '.join(_PARTS)}"
            elif not isinstance(text, str) or not text.strip():
                yield f"{place}: this is no text"
            else:
                yield from _faults_of_text(place, part, text, language)


def _faults_of_text(place: str, part: str, text: str, language: str) -> Iterator[str]:
    try:
        named = {(name, bool(form or conversion)) for _, name, form, conversion in Formatter().parse(text) if name is not None}
    except ValueError as error:
        yield f"{place}: {error}; write {{{{ for a brace"
        return
    for name, more in sorted(named):
        if name not in _PARTS[part] or more:
            yield f"{place}: {{{name}}} can't be filled in here; there are {', '.join(_PARTS[part])}"
    missing = [name for name in NEEDED if name not in {each for each, _ in named}] if part == "body" else []
    if missing:
        yield f"{place}: {{{'}, {'.join(missing)}}} has to stand in it"
    if never := plainness(text, language).never:
        yield f"{place}: towards students a letter does not say {', '.join(never)}"
