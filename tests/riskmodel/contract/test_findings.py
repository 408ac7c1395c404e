"""Findings in Dutch and in English: the same rules, the same figures, keys that programs can rely on."""

from __future__ import annotations

import json
import re
import string
import tomllib
from pathlib import Path

import pytest
from folders import changed, check, institution, write_folder

from riskmodel.contract import checking, conversion, reading
from riskmodel.contract.findings import Finding
from riskmodel.resources import words_file

WORDS = {language: tomllib.loads(words_file(f"findings.{language}.toml").read_text(encoding="utf-8")) for language in ("nl", "en")}
NO_RULES = ("words", "kinds")


def figures_in(text: str) -> set[str]:
    return {name.split(":")[0] for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_tell_the_same_rules_with_the_same_figures():
    assert WORDS["nl"].keys() == WORDS["en"].keys()
    for rule, words in WORDS["en"].items():
        assert words.keys() == WORDS["nl"][rule].keys(), rule
        for part, text in words.items():
            assert figures_in(text) == figures_in(WORDS["nl"][rule][part]), (rule, part)


def test_every_rule_that_the_check_can_find_has_words_and_every_word_a_rule():
    source = "".join(Path(module.__file__).read_text(encoding="utf-8") for module in (checking, conversion, reading))
    named = set(re.findall(r'(?:Finding|Rule|_fault)\(\s*"([a-z_]+)"', source)) | {
        "value_unreadable",
        "value_blanked",
        "column_missing",
        "extra_column_missing",
    }
    assert named == set(WORDS["en"]) - set(NO_RULES)


def spoilt(rows):
    rows[0].update(grade="heel goed")
    rows[1].update(date="2023-99-01")


@pytest.fixture
def report(tmp_path):
    return check(write_folder(tmp_path, changed(institution(), results=spoilt, outcomes=lambda rows: [row.pop("outcome") for row in rows])))


def test_json_has_stable_keys_and_tells_the_same(report):
    told = json.loads(report.to_json("nl"))
    assert told.keys() == {"ok", "findings", "summary"}
    assert told["ok"] is False
    assert {finding["rule"] for finding in told["findings"]} == {"column_missing", "grade_unknown", "value_unreadable"}
    for finding in told["findings"]:
        assert finding.keys() == {"rule", "severity", "table", "column", "rows", "count", "figures", "what", "remedy"}
    unknown = next(finding for finding in told["findings"] if finding["rule"] == "grade_unknown")
    assert (unknown["table"], unknown["column"], unknown["rows"], unknown["count"]) == ("results", "grade", [2], 1)
    assert "heel goed" in unknown["what"]


def test_text_tells_faults_first_with_place_row_and_remedy(report):
    english, dutch = report.to_text("en"), report.to_text("nl")
    assert english.index("FAULTS") < english.index("WARNINGS") < english.index("FOUND")
    assert "results.grade (rows 2; in all 1)" in english
    assert "results.grade (rijen 2; in totaal 1)" in dutch
    assert "no date can be read" in english
    assert "geen datum te lezen" in dutch
    assert "wat telt als vertrek" in dutch
    assert "{" not in english + dutch


def test_text_can_be_printed_on_a_windows_console(report):
    for language in ("nl", "en"):
        report.to_text(language).encode("cp1252")


def test_values_with_braces_are_told_as_they_stand():
    finding = Finding(
        "grade_unknown", "warning", "results", "grade", (2,), 1, {"example": "{0.__class__}", "minimum": 1.0, "maximum": 10.0}
    )
    assert "{0.__class__}" in finding.line("en")


def test_more_than_five_rows_are_told_with_their_number():
    finding = Finding("row_incomplete", "warning", "results", "test", (2, 3, 4, 5, 6), 4000)
    assert "(rows 2, 3, 4, 5, 6, ...; in all 4000)" in finding.line("en")
