"""`desk.toml`: what help there is at an institution, who keeps which register, and what things are called there; checked when the service starts."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from riskmodel.errors import ConfigurationFault
from serving.languages import LANGUAGES
from serving.store.desk import REGISTERS
from serving.store.follow_up import REASONS

_HERE = Path(__file__).parent / "texts"
_SHIPPED = _HERE / "help.toml"
Words = str | dict[str, str]


class _Entry(BaseModel):
    """One kind of help as a file tells it; what the shipped catalogue says already need not be said again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Words | None = None
    what: Words | None = None
    reasons: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    whom: Words = ""
    where: Words = ""
    when: Words = ""
    waiting: Words = ""
    offered: bool = True


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    help: dict[str, _Entry] = {}
    registers: dict[str, Words] = {}
    texts: dict[str, dict[str, str]] = {}


@dataclass(frozen=True)
class Help:
    """One kind of help in one language.

    Attributes
    ----------
    key, title, what : str
    whom, where, when, waiting : str
        Empty where the institution did not say.
    """

    key: str
    title: str
    what: str
    whom: str
    where: str
    when: str
    waiting: str


@dataclass(frozen=True)
class Desk:
    """What an institution's file says, with the shipped catalogue beneath it.

    Attributes
    ----------
    entries : mapping of str to _Entry
        In the catalogue's order, the institution's own ones last.
    registers : mapping of str to Words
        Who keeps which register.
    texts : mapping of language to (mapping of str to Any)
        The pages' texts, in the institution's own terms.
    """

    entries: Mapping[str, _Entry]
    registers: Mapping[str, Words]
    texts: Mapping[str, Mapping[str, Any]]

    def help_for(self, reasons: Iterable[str], told: Iterable[str], language: str) -> tuple[list[Help], list[Help]]:
        """Give what may help with some reasons, and all else that there is.

        Parameters
        ----------
        reasons : iterable of str
            Keys of a signal's reasons.
        told : iterable of str
            Reasons for doubt or leaving that came up in a talk, out of `REASONS`.
        language : {'nl', 'en'}
        """
        here, said = set(reasons), set(told)
        fits: list[Help] = []
        others: list[Help] = []
        for key, entry in self.entries.items():
            words = {
                name: in_language(getattr(entry, name) or "", language) for name in ("title", "what", "whom", "where", "when", "waiting")
            }
            (fits if here & set(entry.reasons) or said & set(entry.told) else others).append(Help(key, **words))
        return fits, others

    def keeper_of(self, register: str, language: str) -> str:
        """Give who keeps a register; empty where the institution did not say."""
        return in_language(self.registers.get(register, ""), language)


def in_language(words: Words, language: str) -> str:
    """Give a text in a language; one that stands for every language is the same in each."""
    return words if isinstance(words, str) else words.get(language) or next(iter(words.values()), "")


def read_desk(file: Path | None, texts: Mapping[str, Mapping[str, Any]]) -> Desk:
    """Read an institution's file over the shipped catalogue.

    Parameters
    ----------
    file : Path or None
        Without one the shipped catalogue holds, which names nobody.
    texts : mapping of language to (mapping of str to Any)
        The pages' texts that a file may replace.

    Raises
    ------
    ConfigurationFault
        The file is absent or no TOML, or a key or a value in it is wrong; all that is wrong is told at once.
    """
    shipped = _File.model_validate({"help": tomllib.loads(_SHIPPED.read_text(encoding="utf-8"))})
    own = _File() if file is None else _read(file)
    faults = list(_faults(own, shipped, texts))
    if faults:
        raise ConfigurationFault(
            f"{'; '.join(faults)}.", place=str(file), remedy="Mend what is named; docs/desk.md tells what can be said."
        )
    entries = {}
    for key, entry in {**shipped.help, **own.help}.items():
        beneath = shipped.help.get(key, _Entry())
        merged = beneath.model_copy(update={name: getattr(entry, name) for name in entry.model_fields_set})
        if merged.offered:
            entries[key] = merged
    named = {language: {**texts[language], **own.texts.get(language, {})} for language in texts}
    return Desk(entries, own.registers, named)


def _read(file: Path) -> _File:
    try:
        return _File.model_validate(tomllib.loads(file.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise ConfigurationFault(
            f"this file can't be read ({error.strerror}).", place=str(file), remedy="Mend the setting desk_file."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationFault(f"this is not valid TOML: {error}.", place=str(file), remedy="Mend the line that is named.") from None
    except ValidationError as error:
        # A text may be one for all languages or one for each; one fault is enough to find the place.
        places = {".".join(str(part) for part in fault["loc"] if part not in ("str", "dict[str,str]")): fault for fault in error.errors()}
        told = "; ".join(f"{place}: {_plain(place, fault)}" for place, fault in places.items())
        raise ConfigurationFault(f"{told}.", place=str(file), remedy="Mend what is named; docs/desk.md tells what can be said.") from None


def _plain(place: str, fault: Mapping[str, Any]) -> str:
    if fault["type"] != "extra_forbidden":
        return str(fault["msg"])
    known = list(_File.model_fields) if "." not in place else list(_Entry.model_fields)
    return f"there is no such key; did you mean '{_nearest(place.split('.')[-1], known)}'?"


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    return (difflib.get_close_matches(name, names, n=1, cutoff=0.0) or names[:1])[0]


def _faults(own: _File, shipped: _File, texts: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    for key, entry in own.help.items():
        place = f"help.{key}"
        if key not in shipped.help and entry.offered and not (entry.title and entry.what and (entry.reasons or entry.told)):
            nearest = _nearest(key, shipped.help)
            yield f"{place}: a kind of help of your own needs title, what, and reasons or told; or did you mean '{nearest}'?"
        for reason in entry.told:
            if reason not in REASONS:
                yield f"{place}.told: there is no reason '{reason}'; there are {', '.join(REASONS)}"
        for name in ("title", "what", "whom", "where", "when", "waiting"):
            yield from _in_every_language(f"{place}.{name}", getattr(entry, name))
    for register, words in own.registers.items():
        if register not in REGISTERS:
            yield f"registers.{register}: there is no such register; there are {', '.join(REGISTERS)}"
        yield from _in_every_language(f"registers.{register}", words)
    for language, named in own.texts.items():
        if language not in LANGUAGES:
            yield f"texts.{language}: there is no such language; there are {', '.join(LANGUAGES)}"
            continue
        for key, text in named.items():
            here = texts[language].get(key)
            if not isinstance(here, str):
                plain = [name for name, value in texts[language].items() if isinstance(value, str)]
                yield f"texts.{language}.{key}: there is no such text; did you mean '{_nearest(key, plain)}'?"
            elif _places(text) - _places(here):
                yield f"texts.{language}.{key}: {{{'}, {'.join(sorted(_places(text) - _places(here)))}}} can't be filled in here"


def _in_every_language(place: str, words: Words | None) -> Iterable[str]:
    if isinstance(words, dict) and set(words) != set(LANGUAGES):
        yield f"{place}: give one text, or one for each of {', '.join(LANGUAGES)}"


def _places(text: str) -> set[str]:
    return {part.split("}")[0] for part in text.split("{")[1:]}
