"""The text of the invitation: plain in both languages, never naming a signal, and checked where an institution writes its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.errors import ConfigurationFault
from serving.languages import LANGUAGES
from serving.letters.file import FILLED_IN, read_letters, told_plainness
from serving.letters.plain import plainness, syllables_in

SAYS = {
    "nl": (
        "vaste regel",
        "geloot",
        "computer",
        "lessen, toetsen",
        "nee zeggen",
        "bindend studieadvies",
        "bezwaar maken",
        "nog steeds hulp",
    ),
    "en": ("fixed rule", "drawn by lot", "computer", "lessons, tests", "say no", "binding study advice", "objection", "still get help"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_shipped_letter_reads_plainly_and_says_all_that_a_student_is_to_know(language: str) -> None:
    body = read_letters()[language].body
    found = plainness(body, language)
    assert found.plain, found
    assert not found.never
    assert not [part for part in SAYS[language] if part not in body]


def test_syllables_and_ease_are_those_counted_by_hand() -> None:
    counted = {"uitnodiging": 4, "gesprek": 2, "geëerd": 3, "nieuw": 1, "studie": 2, "r": 1}
    assert {word: syllables_in(word, "nl") for word in counted} == counted
    assert [syllables_in(word, "en") for word in ("table", "time", "matters")] == [2, 1, 2]
    # Two sentences, six words, seven syllables.
    found = plainness("Hoe gaat het? Kom eens praten, {name}!", "nl")
    assert (found.words_a_sentence, round(found.syllables_a_word, 3)) == (3, round(7 / 6, 3))
    assert found.ease == pytest.approx(206.84 - 0.93 * 3 - 77 * 7 / 6)


def test_a_letter_in_officialese_is_found_out_and_told_which_words_to_replace(tmp_path: Path) -> None:
    file = tmp_path / "letter.toml"
    hard = (
        "Middels deze uitnodiging verzoeken wij u, indien u dat op prijs stelt, teneinde uw studievoortgang gezamenlijk te evalueren, "
        "kenbaar te maken welke gelegenheid u derhalve het meest geschikt voorkomt. {coach} {moments} {link} {until}"
    )
    file.write_text(f"[nl]\nbody = '''{hard}'''\n", encoding="utf-8")
    told = told_plainness(read_letters(file))
    assert "nl: could be plainer" in told
    assert "en: reads plainly" in told
    for word in ("middels (met)", "indien (als)", "derhalve (daarom)"):
        assert word in told


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("[nl]\nbody = 'Kom: {moments} {link} {coach} {until} {grade}'", "nl.body: {grade} can't be filled in here"),
        ("[nl]\nbody = 'Kom: {moments} {coach.__class__} {link} {coach} {until}'", "can't be filled in here"),
        ("[nl]\nbody = 'Kom een keer praten.'", "nl.body: {coach}, {moments}, {link}, {until} has to stand in it"),
        ("[nl]\nbody = 'Wij zagen een signaal. {moments} {link} {coach} {until}'", "does not say signaal"),
        ("[en]\nsubject = 'You are at risk'", "en.subject: towards students a letter does not say risk"),
        ("[en]\nbody = 'Come {'", "en.body: Single"),
        ("[nl]\ntitle = 'x'", "nl.title: there is no such part; there are subject, body"),
        ("[de]\nsubject = 'x'", "de: there is no such language; there are nl, en"),
        ("[nl]\nsubject = ''", "nl.subject: this is no text"),
        ("[nl", "not valid TOML"),
    ],
)
def test_a_letter_that_can_not_be_is_refused_with_its_place(tmp_path: Path, written: str, told: str) -> None:
    file = tmp_path / "letter.toml"
    file.write_text(written, encoding="utf-8")
    with pytest.raises(ConfigurationFault) as refused:
        read_letters(file)
    assert told in str(refused.value)
    assert str(file) in str(refused.value)


@given(st.text(max_size=40))
def test_whatever_a_name_holds_the_subject_is_one_line_and_the_name_stands_as_it_is(name: str) -> None:
    letter = read_letters()["nl"]
    subject, body = letter.filled(dict.fromkeys(FILLED_IN, name))
    assert "\n" not in subject
    assert "\r" not in subject
    assert name.strip() in body
