"""The papers of a model as pages that stand on their own. Knows a model, its run and an institution's answers; decides nothing that only they can."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import BaseModel, ConfigDict, ValidationError

from riskmodel.baselines import BASELINES
from riskmodel.errors import ConfigurationFault
from riskmodel.files import atomic_file
from riskmodel.model import RiskModel
from riskmodel.pages import Language, listed, number, percent, read_words, render

PAPERS = ("model_card", "technical", "impact", "council", "register", "coach", "notice")
# What is asked of everybody alike: the law stands in each paper but the letter to students.
_WITHOUT_LAW = ("notice",)
_INVITED = 100


@dataclass(frozen=True)
class RunFacts:
    """What the registry and the run know of a model besides the model itself.

    Attributes
    ----------
    name : str
        The registered name.
    alias : str
    run_id, fitted_on, fitted_by : str
    gates : str
        The comparison that it passed, as text; empty where it was not promoted.
    landmark : int or None
        The first day that the policy names for promotion.
    fairness : mapping or None
        The audit's aggregates of this version.
    """

    name: str
    alias: str
    run_id: str = ""
    fitted_on: str = ""
    fitted_by: str = ""
    gates: str = ""
    landmark: int | None = None
    fairness: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ServiceFacts:
    """How the service is set up, as far as papers tell of it; by names, so that nothing of the service need be known here.

    Attributes
    ----------
    kept : mapping of kind to (int, str)
        For how many days each kind of data is kept, and a description in English, for a kind that the words do not name.
    may : mapping of role to tuple of str
        What each role may: names of scopes.
    given_by : mapping of role to tuple of str
        Which values at the institution's login give a role; empty where no login is set up.
    machines : tuple of str
        What a machine's token may hold.
    """

    kept: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    may: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    given_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    machines: tuple[str, ...] = ()


class Answer(BaseModel):
    """What an institution answers to one question; open while `answer` is empty."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str = ""
    owner: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Paper:
    """One paper.

    Attributes
    ----------
    name : str
        One of `PAPERS`, or 'index'.
    html : str
    still_open : tuple of str
        Names of the questions in it that are not answered.
    """

    name: str
    html: str
    still_open: tuple[str, ...] = field(default=())


def read_answers(path: Path, language: Language) -> dict[str, Answer]:
    """Read an institution's answers, or write the file with the questions where there is none.

    Parameters
    ----------
    path : Path
        A TOML file with a table per question: question, owner, answer.
    language : {'nl', 'en'}
        The language of the questions in a new file.

    Raises
    ------
    ConfigurationFault
        The file is no TOML or answers something that is not asked.
    """
    questions = read_words("documents", language)["questions"]
    if not path.exists():
        _write_template(path, questions)
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationFault(f"this is not valid TOML: {error}.", place=str(path), remedy="Mend the line that is named.") from None
    except OSError as error:
        raise ConfigurationFault(
            f"this file can't be read ({error.strerror}).", place=str(path), remedy="Check the rights on it."
        ) from None
    unknown = sorted(set(told) - set(questions))
    if unknown:
        raise ConfigurationFault(
            f"nothing asks for {', '.join(unknown)}.", place=str(path), remedy=f"Questions are {', '.join(sorted(questions))}."
        )
    answers = {}
    for name, asked in questions.items():
        try:
            given = Answer.model_validate(told.get(name, {}))
        except ValidationError as error:
            faults = "; ".join(f"{name}.{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise ConfigurationFault(
                f"{faults}.", place=str(path), remedy="Each question has a question, an owner and an answer."
            ) from None
        answers[name] = Answer(question=asked["question"], owner=given.owner.strip() or asked["owner"], answer=given.answer.strip())
    return answers


def _write_template(path: Path, questions: Mapping[str, Mapping[str, str]]) -> None:
    document = tomlkit.document()
    for name, asked in questions.items():
        table = tomlkit.table()
        table["question"], table["owner"], table["answer"] = asked["question"], asked["owner"], ""
        document[name] = table
    with atomic_file(path) as temporary:
        temporary.write_text(tomlkit.dumps(document), encoding="utf-8")


def write_papers(
    model: RiskModel,
    facts: RunFacts,
    answers: Mapping[str, Answer],
    answers_file: str,
    language: Language,
    service: ServiceFacts | None = None,
) -> list[Paper]:
    """Write every paper of a model, and an index.

    Parameters
    ----------
    model : RiskModel
    facts : RunFacts
    answers : mapping of question to Answer
        What `read_answers` gives.
    answers_file : str
        Where they are answered; told where something is open.
    language : {'nl', 'en'}
    service : ServiceFacts, optional
        How long data are kept and who may see them; told as not known without it.

    Returns
    -------
    list of Paper
        In the order of `PAPERS`, then 'index'.
    """
    writer = _Writer(model, facts, answers, answers_file, language, service or ServiceFacts())
    papers = [writer.paper(name) for name in PAPERS]
    return [*papers, writer.index(papers)]


class _Writer:
    def __init__(
        self,
        model: RiskModel,
        facts: RunFacts,
        answers: Mapping[str, Answer],
        answers_file: str,
        language: Language,
        service: ServiceFacts,
    ) -> None:
        self.model, self.facts, self.answers, self.answers_file, self.service = model, facts, answers, answers_file, service
        self.language: Language = language
        self.words = read_words("documents", language)
        self.definition = model.facts.definition
        self.day = self._day()
        self.values = self._values()

    def _day(self) -> str | None:
        """Give the day that the director's table is about: the policy's first, else the first at which the first-test rule exists."""
        measured = self.model.measured
        if self.facts.landmark is not None and str(self.facts.landmark) in measured:
            return str(self.facts.landmark)
        with_test = [day for day in sorted(measured, key=int) if measured[day]["baselines"].get("first_test")]
        return with_test[0] if with_test else max(measured, key=int, default=None)

    def _values(self) -> dict[str, str]:
        model, page = self.model, self.words["page"]
        figures = model.measured.get(self.day or "", {})
        left = figures.get("precision_at_capacity")
        groups = dict.fromkeys(self.words["groups"].get(feature.group, feature.group) for feature in model.catalogue.values())
        unknown = page["unknown"]
        return {
            "institution": str(self.definition.get("name") or unknown),
            "target": self.words["targets"].get(model.target, model.target),
            "version": model.version or unknown,
            "capacity": percent(figures.get("capacity_share"), self.language) if figures else unknown,
            "left_of_100": unknown if left is None else number(_INVITED * left, self.language),
            "stayed_of_100": unknown if left is None else number(_INVITED - round(_INVITED * left), self.language),
            "reached": unknown if figures.get("recall_at_capacity") is None else percent(figures["recall_at_capacity"], self.language),
            "trained_on": listed(model.facts.trained_on, page["and"]) or unknown,
            "tested_on": model.facts.tested_on or unknown,
            "family": self.words["families"].get(model.recipe.family, model.recipe.family),
            "landmarks": listed([str(day) for day in model.landmarks], page["and"]),
            "first_landmark": str(model.landmarks[0]),
            "last_day": str(self.definition.get("last_day") or unknown),
            "signal_groups": listed(list(groups), page["and"]),
        }

    def paper(self, name: str) -> Paper:
        page = self.words["page"]
        asked: list[str] = []
        sections = [self._section(section, asked) for section in self.words[name]["sections"]]
        asked = list(dict.fromkeys(asked))
        still_open = [question for question in asked if not self.answers[question].answer]
        html = render(
            "document.html.jinja",
            language=self.language,
            title=f"{self.words['papers'][name]}: {self.values['institution']}" if name != "notice" else self.words["papers"][name],
            words=page,
            version=page["version"].format(**self.values),
            letter=name == "notice",
            not_ready=page["not_ready"].format(count=len(still_open)) if name == "notice" and still_open else "",
            sections=sections,
            law=None if name in _WITHOUT_LAW else self.words["law"],
            still_open=[{"question": self.answers[each].question, "owner": self.answers[each].owner} for each in still_open],
            open_text=page["open_text"].format(file=self.answers_file),
        )
        return Paper(name, html, tuple(still_open))

    def index(self, papers: Sequence[Paper]) -> Paper:
        rows = [[self.words["papers"][paper.name], f"{paper.name}.html", str(len(paper.still_open))] for paper in papers]
        owners: dict[str, list[str]] = {}
        for question, answer in self.answers.items():
            if not answer.answer and any(question in paper.still_open for paper in papers):
                owners.setdefault(answer.owner, []).append(answer.question)
        html = render(
            "papers.html.jinja", language=self.language, title=f"{self.words['page']['index_title']}: {self.values['institution']}",
            words=self.words["page"], version=self.words["page"]["version"].format(**self.values), rows=rows, owners=owners,
            header=self.words["page"]["index_header"].split("|"), open_text=self.words["page"]["open_text"].format(file=self.answers_file),
        )  # fmt: skip
        return Paper("index", html)

    def _section(self, section: Mapping[str, Any], asked: list[str]) -> dict[str, Any]:
        blocks = []
        for block in section.get("blocks", []):
            if block.startswith("ask:"):
                asked.append(block.removeprefix("ask:"))
                blocks.append({"kind": "ask", **self.answers[asked[-1]].model_dump()})
            else:
                blocks.append(getattr(self, f"_{block}")())
        fields = [[name, text.format(**self.values)] for name, text in section.get("fields", [])]
        texts = [text.format(**self.values) for text in section.get("text", [])]
        return {"title": section["title"], "text": texts, "list": section.get("list", []), "fields": fields, "blocks": blocks}

    def _table(self, header: str, rows: Sequence[Sequence[str]], *, numbers: int = 99, text: str = "", foreign: int = -1) -> dict[str, Any]:
        return {"kind": "table", "header": self.words["blocks"][header].split("|"), "rows": rows, "numbers": numbers, "text": text,
                "foreign": foreign}  # fmt: skip

    def _text(self, *lines: str) -> dict[str, Any]:
        return {"kind": "text", "lines": list(lines)}

    def _facts(self) -> dict[str, Any]:
        words, facts, unknown = self.words["blocks"], self.model.facts, self.words["page"]["unknown"]
        outcome = self.definition.get("outcome", {})
        switch = {True: self.words["page"]["yes"], False: self.words["page"]["no"]}.get(outcome.get("switch_inside_counts"), unknown)
        alias = f"@{self.facts.alias}" if self.facts.alias else ""
        rows = [
            ("model", f"{self.facts.name}{alias}, {self.values['version']}"), ("target", self.values["target"]),
            ("institution", self.values["institution"]), ("trained", self.values["trained_on"]), ("tested", self._tested()),
            ("family", self.values["family"]), ("landmarks", self.values["landmarks"]),
            ("capacity", f"{self.values['capacity']} {words['facts_share']}"), ("outcome", str(outcome.get("measured_on") or unknown)),
            ("switch", switch), ("fingerprint", facts.fingerprint or unknown), ("run", self.facts.run_id or unknown),
            ("when", self.facts.fitted_on or unknown), ("by", self.facts.fitted_by or unknown),
        ]  # fmt: skip
        return {"kind": "facts", "rows": [(words[f"facts_{name}"], value) for name, value in rows]}

    def _tested(self) -> str:
        """Say of a champion that it was measured before it learnt from the test cohort as well."""
        again = self.model.facts.tested_on in self.model.facts.trained_on
        return f"{self.values['tested_on']}{self.words['blocks']['facts_again'] if again else ''}"

    def _signals(self) -> dict[str, Any]:
        labels = [feature.label_nl if self.language == "nl" else feature.label_en for feature in self.model.catalogue.values()]
        return self._text(self.words["blocks"]["signals"].format(signals="; ".join(labels)))

    def _director(self) -> dict[str, Any]:
        words = self.words["blocks"]
        if self.day is None:
            return self._text(words["director_none"])
        figures = self.model.measured[self.day]
        rows = []
        for name, told in (("model", figures), *((name, figures["baselines"].get(name)) for name in reversed(BASELINES))):
            if told and told["precision_at_capacity"] is not None:
                left = [_INVITED * told[f"precision_at_capacity{end}"] for end in ("", "_low", "_high")]
                stayed = [_INVITED - round(left[0]), _INVITED - round(left[2]), _INVITED - round(left[1])]
                reached = [told[f"recall_at_capacity{end}"] for end in ("", "_low", "_high")]
                rows.append([self.words["rules"][name], self._range(left), self._range(stayed), self._share(reached)])
        text = words["director_caption"].format(day=self.day, capacity=self.values["capacity"], cohort=self.values["tested_on"])
        return self._table("director_header", rows, numbers=1, text=text)

    def _range(self, values: Sequence[float | None], digits: int = 0) -> str:
        value, low, high = (number(each, self.language, digits) for each in values)
        between = f" {'tot' if self.language == 'nl' else 'to'} " if "-" in low.strip("-") or low.startswith("-") else "-"
        return f"{value} ({low}{between}{high})"

    def _share(self, values: Sequence[float | None]) -> str:
        ends = [number(None if each is None else 100 * each, self.language) for each in values[1:]]
        return f"{percent(values[0], self.language)} ({ends[0]}-{ends[1]})"

    def _measured(self) -> dict[str, Any]:
        if not self.model.measured:
            return self._text(self.words["blocks"]["director_none"])
        rows = []
        for day in sorted(self.model.measured, key=int):
            told = self.model.measured[day]
            ends = {name: [told[f"{name}{end}"] for end in ("", "_low", "_high")] for name in ("roc_auc", "calibration_slope")}
            at = [[told[f"{name}_at_capacity{end}"] for end in ("", "_low", "_high")] for name in ("precision", "recall")]
            rows.append([
                day, number(told["students"], self.language), number(told["leavers"], self.language), self._range(ends["roc_auc"], 3),
                self._range(ends["calibration_slope"], 2), number(told["calibration_intercept"], self.language, 2), *map(self._share, at),
            ])  # fmt: skip
        return self._table("measured_header", rows, numbers=1)

    def _cohorts(self) -> dict[str, Any]:
        rows = [[cohort, number(told["students"], self.language), number(told["leavers"], self.language)]
                for cohort, told in self.model.facts.students.items()]  # fmt: skip
        return self._table("cohorts_header", rows, numbers=1)

    def _features(self) -> dict[str, Any]:
        page = self.words["page"]
        rows = [
            [feature.label_nl if self.language == "nl" else feature.label_en, self.words["groups"].get(feature.group, feature.group),
             self.words["directions"][feature.direction], page["yes"] if feature.actionable else page["no"], feature.justification]
            for feature in self.model.catalogue.values()
        ]  # fmt: skip
        return self._table("features_header", rows, text=page["english_only"], foreign=4)

    def _data(self) -> dict[str, Any]:
        words, delays = self.words["blocks"], self.definition.get("delays", {})
        after = {"enrolments": words["data_now"], "outcomes": words["data_closed"]}
        after |= {
            name: words["data_day" if delays[name] == 1 else "data_days"].format(days=delays[name])
            for name in ("attendance", "results", "extra")
            if name in delays
        }
        names = [name for name in ("enrolments", "attendance", "results", "outcomes") if self.definition.get("tables", {}).get(name)]
        names += ["extra"] if self.definition.get("extra") else []
        return self._table("data_header", [[name, words[f"data_{name}"], after.get(name, self.words["page"]["unknown"])] for name in names])

    def _set_apart(self) -> dict[str, Any]:
        told = self.model.facts.set_apart
        if not told:
            return self._text(self.words["blocks"]["set_apart_none"])
        return self._table("set_apart_header", [[name, number(count, self.language)] for name, count in told.items()], numbers=1)

    def _kept(self) -> dict[str, Any]:
        words, page = self.words["blocks"], self.words["page"]
        rows = [[self._kind(kind, told), self._days(days)] for kind, (days, told) in self.service.kept.items()]
        if not rows:
            return self._text(words["kept_none"])
        rows = [[kind, days.replace(" ", "\N{NO-BREAK SPACE}")] for kind, days in rows]
        return self._table("kept_header", [*rows, [words["kept_models"], page["unknown"]]], text=words["kept_text"])

    def _kept_told(self) -> dict[str, Any]:
        letter = self.words["kept_letter"]
        told = "; ".join(f"{letter[kind]}: {self._days(days)}" for kind, (days, _) in self.service.kept.items() if kind in letter)
        return self._text(self.words["blocks"]["kept_told"].format(kept=told)) if told else self._text()

    def _kind(self, kind: str, told: str) -> str:
        return str(self.words["kept"].get(kind, told.rstrip(".") or kind))

    def _days(self, days: int) -> str:
        """Say days, and in years where these are whole."""
        words = self.words["blocks"]
        if days % 365:
            return str(words["kept_days"].format(days=days))
        return str(words["kept_year" if days == 365 else "kept_years"].format(days=days, years=days // 365))

    def _seen_by(self) -> dict[str, Any]:
        words, unknown = self.words["blocks"], self.words["page"]["unknown"]
        if not self.service.may:
            return self._text(words["seen_by_none"])
        rows = [
            [
                self.words["roles"].get(role, role),
                self._may(scopes) or words["seen_by_nothing"],
                ", ".join(self.service.given_by.get(role, ())) or unknown,
            ]
            for role, scopes in self.service.may.items()
        ]
        rows.append([words["seen_by_machine"], self._may(self.service.machines), words["seen_by_token"]])
        table = self._table("seen_by_header", rows, text=words["seen_by_text"])
        if not self.service.given_by:  # no login is set up here, so nothing is known of whom it would give a role
            table |= {
                "header": table["header"][:-1],
                "rows": [row[:-1] for row in rows],
                "text": f"{table['text']} {words['seen_by_no_login']}",
            }
        return table

    def _may(self, scopes: Sequence[str]) -> str:
        return "; ".join(self.words["may"].get(scope, scope) for scope in scopes)

    def _versions(self) -> dict[str, Any]:
        return self._table("versions_header", [[name, version] for name, version in self.model.facts.versions.items()])

    def _gates(self) -> dict[str, Any]:
        return {"kind": "told", "text": self.facts.gates} if self.facts.gates else self._text(self.words["blocks"]["gates_none"])

    def _fairness(self) -> dict[str, Any]:
        words, told = self.words["blocks"], self.facts.fairness
        if told is None:
            return self._text(words["fairness_none"])
        names = read_words("fairness", self.language)
        attributes = list(dict.fromkeys(row["attribute"] for row in told["groups"]))
        about = {
            "students": number(told["overall"]["students"], self.language), "cohort": told["about"]["cohort"],
            "attributes": listed([names["attributes"].get(each, each).lower() for each in attributes], self.words["page"]["and"]),
        }  # fmt: skip
        beyond = [row for row in told["differences"] if row["beyond"]]
        if not beyond:
            return self._text(words["fairness_none_beyond"].format(**about))
        lines = [
            words["fairness_row"].format(
                attribute=names["attributes"].get(row["attribute"], row["attribute"]), measure=words[f"measure_{row['measure']}"],
                highest=names["values"].get(row["highest"], row["highest"] or names["page"]["unknown"]),
                lowest=names["values"].get(row["lowest"], row["lowest"] or names["page"]["unknown"]),
                points=number(100 * row["difference"], self.language, 1), chance=number(100 * row["chance"], self.language, 1),
            )
            for row in beyond
        ]  # fmt: skip
        return self._text(words["fairness_beyond"].format(**about), *lines)
