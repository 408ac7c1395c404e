"""The papers of a model: what the run knows stands in them, what only people know stands open, and every page stands on its own."""

from __future__ import annotations

import json
import re
import tomllib
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from institution import LANDMARKS, Shop

from riskmodel.catalogue import Catalogue
from riskmodel.cli.main import run
from riskmodel.documents import PAPERS, Answer, Paper, RunFacts, read_answers, write_papers
from riskmodel.errors import ConfigurationFault
from riskmodel.model import RiskModel
from riskmodel.pages import Language
from riskmodel.resources import words_file
from serving.access.scopes import Role, Scope
from serving.store.retention import Periods
from training.document import gather

ASK = re.compile(r"ask:(\w+)")


def words(language: str) -> dict[str, Any]:
    return tomllib.loads(words_file(f"documents.{language}.toml").read_text(encoding="utf-8"))


def text_of(html: str) -> str:
    told = re.sub(r"<(style|svg).*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", told)))


def papers_of(shop: Shop, tmp_path: Path, language: Language = "en", **answers: str) -> dict[str, Paper]:
    model, facts = gather(shop.workspace, "leave", "champion")
    given = {
        name: answer.model_copy(update={"answer": answers.get(name, "")})
        for name, answer in read_answers(tmp_path / "a.toml", language).items()
    }
    return {paper.name: paper for paper in write_papers(model, facts, given, "a.toml", language)}


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_paper_stands_on_its_own_in_either_language(promoted: Shop, tmp_path: Path, language: Language) -> None:
    papers = papers_of(promoted, tmp_path, language)
    assert tuple(papers) == (*PAPERS, "index")
    for paper in papers.values():
        assert f'<html lang="{language}">' in paper.html
        assert not re.search(r"<(script|link|img|iframe)|\ssrc=|https?://", paper.html)
        assert "{" not in text_of(paper.html)
        assert not re.search(r"\b(because|omdat|doordat)\b", text_of(paper.html))
        assert paper.html.count("<h1>") == 1


def test_what_the_run_knows_stands_in_the_papers(promoted: Shop, tmp_path: Path) -> None:
    papers = papers_of(promoted, tmp_path)
    model = gather(promoted.workspace, "leave", "champion")[0]
    card = text_of(papers["model_card"].html)
    for fact in (
        model.facts.fingerprint,
        "2019, 2020 and 2021",
        "riskmodel-leave@champion",
        "leavers by the model",
        "held out; fitted anew on all cohorts afterwards",
    ):
        assert fact in card, fact
    technical = text_of(papers["technical"].html)
    for feature in model.catalogue.values():
        assert feature.justification in technical
    assert re.findall(r"<h2>(\d)\.", papers["technical"].html) == list("123456789")
    notice = text_of(papers["notice"].html)
    assert f"From day {LANDMARKS[0]} after your start up to day 130" in notice
    assert all(feature.label_en in notice for feature in model.catalogue.values())


def test_the_director_s_table_is_what_was_measured(promoted: Shop, tmp_path: Path) -> None:
    model = gather(promoted.workspace, "leave", "champion")[0]
    told = text_of(papers_of(promoted, tmp_path)["council"].html)
    measured = model.measured[str(LANDMARKS[0])]
    lot, left = measured["baselines"]["lot"], 100 * measured["precision_at_capacity"]
    row = f"the model {left:.0f} ({100 * measured['precision_at_capacity_low']:.0f}-{100 * measured['precision_at_capacity_high']:.0f})"
    assert row in told
    assert f"a lot {100 * lot['precision_at_capacity']:.0f} (" in told
    stayed = re.search(r"the model (\d+) \(\d+-\d+\) (\d+) \(", told)
    assert stayed is not None
    assert int(stayed[1]) + int(stayed[2]) == 100


def test_an_answer_takes_the_place_of_its_question_and_of_its_line_at_the_end(promoted: Shop, tmp_path: Path) -> None:
    before = papers_of(promoted, tmp_path)["notice"]
    after = papers_of(promoted, tmp_path, objection="Write to <privacy@example.nl>.")["notice"]
    assert set(before.still_open) - set(after.still_open) == {"objection"}
    assert "Write to &lt;privacy@example.nl&gt;." in after.html
    assert f"Not ready to send: {len(after.still_open)} answers are missing" in after.html
    everything = papers_of(promoted, tmp_path, **dict.fromkeys(words("en")["questions"], "Yes."))
    assert all(not paper.still_open for paper in everything.values())
    assert "Not ready to send" not in everything["notice"].html
    assert "Nothing is open in this document." in everything["technical"].html
    assert "Owner" not in everything["notice"].html


def test_the_law_is_told_as_treat_it_so_with_its_date_and_source(promoted: Shop, tmp_path: Path) -> None:
    papers = papers_of(promoted, tmp_path)
    for name in set(PAPERS) - {"notice"}:
        told = text_of(papers[name].html)
        assert "Treat this as high-risk" in told
        assert "your institution decides" in told
        assert "2 December 2027" in told
        assert "Regulation (EU) 2024/1689" in told


def test_a_model_that_was_not_audited_or_measured_is_said_to_be_so(promoted: Shop, tmp_path: Path) -> None:
    assert "Not audited" in papers_of(promoted, tmp_path)["model_card"].html
    model = promoted.trained["leave"].model
    bare = RiskModel("leave", Catalogue(model.catalogue.values()), model.design, model.members, model.recipe, model.facts)
    answers = {name: Answer(**asked) for name, asked in words("en")["questions"].items()}
    told = {paper.name: text_of(paper.html) for paper in write_papers(bare, RunFacts("riskmodel-leave", ""), answers, "a.toml", "en")}
    assert "nothing was measured" in told["model_card"]
    assert "was not held against the gates" in told["model_card"]
    audit = {
        "about": {"cohort": "2021"}, "overall": {"students": 300}, "groups": [{"attribute": "gender"}],
        "differences": [{"attribute": "gender", "measure": "recall", "highest": "man", "lowest": "", "difference": 0.2, "chance": 0.1, "beyond": True}],
    }  # fmt: skip
    audited = write_papers(model, RunFacts("riskmodel-leave", "", fairness=audit), answers, "a.toml", "en")[0]
    assert "Sex, leavers reached: 'men' over 'not known' by 20.0 points (chance stays under 10.0)." in text_of(audited.html)


def test_the_command_writes_the_papers_and_the_questions_and_keeps_answers(
    promoted: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers, output = tmp_path / "answers.toml", tmp_path / "papers"
    call = ["--workspace", str(promoted.workspace.folder), "document", "--model", "riskmodel-leave@champion", "--output", str(output)]
    for _ in range(2):
        with pytest.raises(SystemExit) as ending:
            run([*call, "--answers", str(answers), "--language", "nl"])
        assert not ending.value.code
        told = answers.read_text(encoding="utf-8")
        if "Bel 123." in told:
            break
        answers.write_text(told.replace('answer = ""', 'answer = "Bel 123."', 1), encoding="utf-8")
    assert {path.name for path in output.iterdir()} == {f"{name}.html" for name in (*PAPERS, "index")}
    assert "Bel 123." in (output / "council.html").read_text(encoding="utf-8")
    assert "model_card: 1 still open" in capsys.readouterr().out


@pytest.mark.parametrize("language", ["nl", "en"])
def test_how_long_data_stay_and_who_may_see_them_come_from_the_service_s_own_settings(
    promoted: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    access = tmp_path / "access.toml"
    access.write_text('[oidc]\nissuer = "https://login.example"\nclient_id = "x"\n[roles]\ncoach = ["slb-pabo"]\n', encoding="utf-8")
    monkeypatch.setenv("RISKMODEL_SERVICE_RETENTION__SCORES", "365")
    monkeypatch.setenv("RISKMODEL_SERVICE_RETENTION__LISTS", "200")
    monkeypatch.setenv("RISKMODEL_SERVICE_ACCESS_FILE", str(access))
    call = ["--workspace", str(promoted.workspace.folder), "document", "--model", "riskmodel-leave@champion", "--output", str(tmp_path)]
    with pytest.raises(SystemExit) as ending:
        run([*call, "--answers", str(tmp_path / "answers.toml"), "--language", language])
    assert not ending.value.code
    told = words(language)
    year, days = told["blocks"]["kept_year"].format(days=365), told["blocks"]["kept_days"].format(days=200)
    for name, kinds in (("impact", "kept"), ("notice", "kept_letter")):
        text = text_of((tmp_path / f"{name}.html").read_text(encoding="utf-8"))
        assert re.search(re.escape(told[kinds]["scores"]) + ":? " + re.escape(year), text)
        assert re.search(re.escape(told[kinds]["lists"]) + ":? " + re.escape(days), text)
    impact = text_of((tmp_path / "impact.html").read_text(encoding="utf-8"))
    assert f"{told['roles']['coach']} {told['may']['students:own']} slb-pabo" in impact
    assert f"{told['roles']['study_advice']} {told['blocks']['seen_by_nothing']} {told['page']['unknown']}" in impact
    # Every kind, role and scope that there is has words of its own.
    assert set(Periods.model_fields) <= set(told["kept"])
    assert {role.value for role in Role} <= set(told["roles"])
    assert {scope.value for scope in Scope} <= set(told["may"])


def test_without_a_service_the_papers_say_that_its_periods_are_not_known(promoted: Shop, tmp_path: Path) -> None:
    impact = text_of(papers_of(promoted, tmp_path)["impact"].html)
    assert "How long data are kept was not known where this paper was written." in impact
    assert "Who may see what was not known where this paper was written." in impact


def test_a_model_that_does_not_exist_is_named_with_those_that_do(promoted: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        run(["--workspace", str(promoted.workspace.folder), "document", "--model", "riskmodel-luck@champion"])
    assert ending.value.code == 2
    assert "riskmodel-leave@champion" in capsys.readouterr().err


def test_an_answer_to_nothing_asked_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    path.write_text('[contcat]\nanswer = "x"\n', encoding="utf-8")
    with pytest.raises(ConfigurationFault, match="nothing asks for contcat"):
        read_answers(path, "en")
    path.write_text("[contact]\nanswer = 3\n", encoding="utf-8")
    with pytest.raises(ConfigurationFault, match=r"contact\.answer"):
        read_answers(path, "en")
    path.write_text("[contact\n", encoding="utf-8")
    with pytest.raises(ConfigurationFault, match="not valid TOML"):
        read_answers(path, "nl")


def test_both_languages_have_the_same_words_and_ask_the_same() -> None:
    def shape(tree: Any) -> Any:
        if isinstance(tree, dict):
            return {name: shape(part) for name, part in tree.items()}
        if isinstance(tree, list):
            return [shape(part) for part in tree]
        return ASK.findall(tree) if tree.startswith("ask:") else sorted(re.findall(r"\{\w+\}", tree)), str(tree).count("|")

    dutch, english = words("nl"), words("en")
    assert shape(dutch) == shape(english)
    asked = {name for name in ASK.findall(json.dumps(english)) if name != "NAME"}
    assert asked == set(english["questions"])
