"""The words: complete in both languages, never a cause, and an institution's own on top."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from riskmodel.contract.definition import DatasetDefinition
from riskmodel.errors import ConfigurationFault
from riskmodel.explain.words import DECLARED, figures_in, load_words
from riskmodel.features import catalogue
from riskmodel.resources import words_file

LANGUAGES = ("nl", "en")
CAUSES = {
    "nl": ("omdat", "doordat", "want", "daardoor", "hierdoor", "waardoor", "dankzij", "komt door", "veroorzaakt", "zodat"),
    "en": ("because", "caused", "causes", "due to", "therefore", "thanks to", "as a result", "so that", "leads to"),
}
VERDICTS = {
    "nl": ("risicostudent", "zwak", "lui", "slecht", "faalt", "gefaald", "probleem", "waarschuwing", "oordeel over", "zal stoppen", "moet"),
    "en": ("at-risk", "at risk", "weak", "lazy", "poor", "failure", "problem", "warning", "will drop", "must"),
}


def phrases(language: str) -> dict[str, str]:
    def walk(part: dict, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        for key, value in part.items():
            if isinstance(value, dict):
                yield from walk(value, (*path, key))
            else:
                yield ".".join((*path, key)), value

    return dict(walk(tomllib.loads(words_file(f"{language}.toml").read_text(encoding="utf-8")), ()))


def definition() -> DatasetDefinition:
    return DatasetDefinition.model_validate(
        {
            "name": "made up",
            "cohorts": [{"label": "2020", "start": "2020-09-01"}],
            "outcome": {"measured_on": "1 October", "switch_inside_counts": True, "early_leavers_count": True},
            "tables": {"enrolments": {"file": "e.csv"}},
        }
    )


def test_both_languages_have_the_same_phrases_with_the_same_figures() -> None:
    dutch, english = phrases("nl"), phrases("en")
    assert list(dutch) == list(english)
    assert {key: figures_in(text) for key, text in dutch.items()} == {key: figures_in(text) for key, text in english.items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_of_the_catalogue_has_a_label_and_phrases_in_both_directions(language: str) -> None:
    words = load_words(language)
    for feature in catalogue(definition(), ("a", "b")).values():
        assert words.label(feature.reason) != feature.reason
        for direction in ("raises", "lowers"):
            assert {"plain", "unknown"} <= words.phrases["reasons"][feature.reason][direction].keys()
    assert words.phrases["reasons"][DECLARED]["raises"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("forbidden", [CAUSES, VERDICTS], ids=["causes", "verdicts"])
def test_no_text_names_a_cause_or_passes_a_verdict(language: str, forbidden: dict[str, tuple[str, ...]]) -> None:
    for key, text in phrases(language).items():
        for word in forbidden[language]:
            assert not re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE), f"{key}: {text}"


@pytest.mark.parametrize("name", sorted(path.name for path in words_file("nl.toml").parent.glob("*.toml")))
def test_no_file_of_words_at_all_says_because(name: str) -> None:
    text = re.sub(r"\{[^}]*\}", "", words_file(name).read_text(encoding="utf-8"))
    said = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    assert not re.search(r"\b(because|omdat|doordat|want|daardoor)\b", said, re.IGNORECASE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reason_is_a_short_sentence_without_percentages(language: str) -> None:
    for key, text in phrases(language).items():
        if key.startswith("reasons."):
            assert text[0].isupper() or text.startswith("{"), key
            assert text.endswith("."), key
            assert len(text) <= 140, key
            assert "%" not in text, key


def test_numbers_are_written_as_the_language_writes_them() -> None:
    dutch, english = load_words("nl"), load_words("en")
    assert (dutch.number(5.54), english.number(5.54)) == ("5,5", "5.5")
    assert (dutch.number(6.0), dutch.number(11.6, 0)) == ("6", "12")
    assert (dutch.count("day", 1), dutch.count("day", 12)) == ("1 dag", "12 dagen")
    assert (english.count("year", 1.2), english.count("year", 3)) == ("1 year", "3 years")


def own_file(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "own.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_an_institutions_phrase_replaces_the_products_and_leaves_the_others(tmp_path: Path) -> None:
    own = own_file(tmp_path, '[labels]\nfirst_test = "Eerste deeltoets"\n[reasons.grades.raises]\nfigures = "Gemiddeld {grade_mean}."')
    words = load_words("nl", own)
    assert words.label("first_test") == "Eerste deeltoets"
    assert words.label("credits") == load_words("nl").label("credits")
    assert words.phrases["reasons"]["grades"]["raises"]["figures"] == "Gemiddeld {grade_mean}."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[labels]\nfirst_tst = "x"', r"no phrase 'labels.first_tst'.*Did you mean 'first_test'"),
        ('[zzz]\nx = "y"', r"no phrase 'zzz'.*Known here: general"),
        ('[labels.first_test]\nx = "y"', "no phrase 'labels.first_test'"),
        ('reasons = "x"', "no phrase 'reasons'"),
        ('[reasons.grades.raises]\nfigures = "{grade}"', r"no figure 'grade'.*\{grade_mean\}, \{programme_grade_mean\}"),
        ('[general]\nnothing_unusual = "{value}"', r"no figure 'value'.*It has none"),
        ('[general]\nnothing_unusual = "{"', "braces"),
        ("[labels", "not valid TOML"),
    ],
)
def test_an_institutions_file_that_says_what_the_product_does_not_know_is_refused_with_the_nearest_name(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(ConfigurationFault, match=reason) as told:
        load_words("nl", own_file(tmp_path, text))
    assert told.value.place == str(tmp_path / "own.toml")


def test_an_institutions_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFault, match="can't be read"):
        load_words("nl", tmp_path / "nowhere.toml")
