"""A data set described for people: a data dictionary, and one page with pictures. Tells of groups of ten students or more, never of one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals as nw
import pandas as pd
from jinja2 import Environment, StrictUndefined

from riskmodel.catalogue import Catalogue
from riskmodel.contract import pictures
from riskmodel.contract.checking import REQUIRED
from riskmodel.contract.dataset import Dataset
from riskmodel.contract.findings import Language
from riskmodel.frames import to_pandas
from riskmodel.resources import words_file
from riskmodel.tables import ATTENDANCE_COLUMNS, ENROLMENT_COLUMNS, OUTCOME_COLUMNS, OUTCOMES, RESULT_COLUMNS

FEWEST = 10
LAST_WEEK = 45
_TEMPLATE = Path(__file__).with_name("description.html.jinja")
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "enrolments": ENROLMENT_COLUMNS,
    "attendance": ATTENDANCE_COLUMNS,
    "results": RESULT_COLUMNS,
    "outcomes": OUTCOME_COLUMNS,
}
_MADE_HERE = ("status", "passed")


@dataclass(frozen=True)
class Description:
    """A data set in words and pictures.

    Attributes
    ----------
    html : str
        One page that needs no other file and loads nothing.
    dictionary : pandas.DataFrame
        One row per column of the tables: table, column, its name in the file, kind, whether it is needed, meaning, share missing.
    features : pandas.DataFrame
        One row per feature of the catalogue.
    """

    html: str
    dictionary: pd.DataFrame
    features: pd.DataFrame


def describe(dataset: Dataset, catalogue: Catalogue, language: Language = "en") -> Description:
    """Describe a data set that passed the check.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    catalogue : Catalogue
        The features that a model of it may look at.
    language : {'nl', 'en'}
        The language of the page and of the dictionary.
    """
    words: dict[str, Any] = tomllib.loads(words_file(f"describing.{language}.toml").read_text(encoding="utf-8"))
    page, summary = words["page"], dataset.report.summary
    columns, features = dictionary(dataset, words), feature_list(catalogue, language)
    cohorts = pd.DataFrame(summary["cohorts"])
    weeks, grades, outcomes = attendance_by_week(dataset), grade_counts(dataset), outcomes_by_prior_education(dataset)
    missing = columns[columns["missing"].notna() & (columns["missing"] > 0)]
    figures = [
        _figure("cohorts", page, pictures.bars(cohorts["label"], cohorts["students"].where(cohorts["students"] >= FEWEST), page["students"], width=pictures.NARROW),
                _cohort_rows(cohorts, page)),
        _figure("missing", page, pictures.bars(missing["table"] + "." + missing["column"], 100 * missing["missing"], page["percent_missing"], width=pictures.NARROW),
                [[f"{row['table']}.{row['column']}", f"{100 * row['missing']:.1f} %"] for row in _records(missing)]),
    ]  # fmt: skip
    if weeks is not None and len(weeks):
        rows = [[str(row["cohort"]), str(row["week"]), f"{100 * row['share']:.0f} %"] for row in _records(weeks)]
        every = range(1, int(weeks["week"].max()) + 1)
        lines = {
            str(cohort): (list(every), 100 * part.set_index("week")["share"].reindex(every)) for cohort, part in weeks.groupby("cohort")
        }
        figures.append(
            _figure("attendance", page, pictures.lines(lines, page["week"], page["percent_attended"], width=pictures.NARROW), rows)
        )
    if grades is not None and len(grades):
        grades["grade"] = grades["grade"].replace(words["statuses"])
        figures.append(
            _figure("grades", page, pictures.bars(grades["grade"], grades["results"], page["results"], upright=True, width=pictures.NARROW),
                    [[str(row['grade']), _count(row['results'])] for row in _records(grades)])
        )  # fmt: skip
    if outcomes is not None:
        cells = outcomes.drop(columns="students")
        told = [words["outcomes"][name] for name in cells.columns]
        kinds = {kind: names[language] for kind, names in dataset.definition.prior_education.kinds.items()}
        names = [kinds.get(str(kind), page["unknown"]) for kind in outcomes.index]
        shares = 100 * cells.div(outcomes["students"], axis=0)
        shares["hidden"] = (100 - shares.sum(axis=1)).where(outcomes["students"].notna()).round(6)
        rows = [[name, *(_count(value) for value in row)] for name, row in zip(names, outcomes.to_numpy(), strict=True)]
        picture = pictures.stacked(names, [*told, page["not_shown"]], shares, page["percent"], width=pictures.NARROW)
        figures.append(_figure("outcomes", page, picture, rows, [page["prior_education"], *told, page["students"]]))
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        _TEMPLATE.read_text(encoding="utf-8")
    )
    html = pictures.in_language(template.render(
        language=language, words=page, name=dataset.definition.name, source=dataset.definition.source, note=dataset.definition.note,
        outcome=dataset.definition.outcome, summary=summary, figures=figures, columns=columns.to_dict("records"),
        features=features.to_dict("records"), fewest=FEWEST,
    ), language)  # fmt: skip
    return Description(html, columns, features)


def dictionary(dataset: Dataset, words: Mapping[str, Any]) -> pd.DataFrame:
    """Give one row per column that this data set holds."""
    definition = dataset.definition
    missing = {table["table"]: table["missing"] for table in dataset.report.summary["tables"]}
    rows = []
    for table, kinds in _COLUMNS.items():
        if table not in missing:
            continue
        entry = definition.tables[table]  # type: ignore[index]
        for column, kind in kinds.items():
            made_here = table == "results" and column in _MADE_HERE
            if not made_here and column not in missing[table]:
                continue
            rows.append(
                {
                    "table": table, "column": column, "name_in_file": "" if made_here else entry.columns.get(column, column),
                    "kind": words["kinds"][kind], "needed": column in REQUIRED[table], "meaning": words["columns"][table][column],
                    "missing": None if made_here else missing[table][column],
                }
            )  # fmt: skip
    for extra in definition.extra:
        table = "enrolments" if extra.source == "enrolment" else f"extra_{extra.name}"
        column = f"extra_{extra.name}" if extra.source == "enrolment" else "value"
        label = extra.label.nl if words["language"] == "nl" else extra.label.en
        rows.append(
            {
                "table": table, "column": column, "name_in_file": extra.column, "kind": words["kinds"].get(extra.kind, extra.kind), "needed": False,
                "meaning": f"{label}. {extra.justification}", "missing": missing.get(table, {}).get(column),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def feature_list(catalogue: Catalogue, language: Language) -> pd.DataFrame:
    """Give one row per feature, as the catalogue tells it."""
    return pd.DataFrame(
        [
            {
                "feature": feature.name, "group": feature.group, "kind": feature.kind,
                "label": feature.label_nl if language == "nl" else feature.label_en, "unit": feature.unit, "direction": feature.direction,
                "actionable": feature.actionable, "justification": feature.justification,
            }
            for feature in catalogue.values()
        ]
    )  # fmt: skip


def attendance_by_week(dataset: Dataset) -> pd.DataFrame | None:
    """Give the share attended per cohort and week since the start, where at least ten students have lessons."""
    if dataset.tables.attendance is None:
        return None
    starts = dataset.tables.enrolments.select("enrolment_id", "cohort", "start_date")
    rows = dataset.tables.attendance.filter(~nw.col("attended").is_null()).select("enrolment_id", "date", "attended", "scheduled")
    rows = rows.join(starts, on="enrolment_id", how="inner")
    rows = rows.with_columns(week=(nw.col("date") - nw.col("start_date")) // 7 + 1)
    grouped = rows.group_by("cohort", "week").agg(
        nw.col("attended").sum().alias("attended"),
        nw.col("scheduled").sum().alias("scheduled"),
        nw.col("enrolment_id").n_unique().alias("students"),
    )
    frame = to_pandas(grouped)
    frame = frame[(frame["students"] >= FEWEST) & (frame["scheduled"] > 0) & frame["week"].between(1, LAST_WEEK)]
    frame = frame.assign(week=frame["week"].astype(int), share=frame["attended"].astype(float) / frame["scheduled"].astype(float))
    return frame.sort_values(["cohort", "week"], ignore_index=True)[["cohort", "week", "share", "students"]]


def grade_counts(dataset: Dataset) -> pd.DataFrame | None:
    """Give how many results have which grade, rounded down to a tenth part of the scale, and which word; missing where under ten."""
    if dataset.tables.results is None:
        return None
    scale = dataset.definition.grades
    step = 1.0 if scale.maximum - scale.minimum < 20 else (scale.maximum - scale.minimum) / 10
    rows = dataset.tables.results.select("grade", "status").with_columns(bin=(nw.col("grade") // step) * step)
    counted = to_pandas(rows.group_by("bin", "status").agg(nw.len().alias("results")))
    numbers = counted[counted["bin"].notna()].groupby("bin")["results"].sum()
    told = [(f"{low:g}", float(count)) for low, count in numbers.items()]
    texts = counted[counted["bin"].isna()].groupby("status")["results"].sum()
    told += [(str(status), float(count)) for status, count in texts.items()]
    frame = pd.DataFrame(told, columns=["grade", "results"])
    return frame.assign(results=frame["results"].where(frame["results"] >= FEWEST))


def outcomes_by_prior_education(dataset: Dataset) -> pd.DataFrame | None:
    """Count outcomes and students by kind of prior education; cells under ten are missing, and so is what would give them away.

    Outcomes that this institution does not use at all are left out.
    """
    outcomes = dataset.outcomes()
    if outcomes.empty:
        return None
    enrolments = to_pandas(dataset.tables.enrolments.select("enrolment_id", "prior_education"))
    joined = enrolments.merge(outcomes, on="enrolment_id")
    kinds = [*dataset.definition.prior_education.kinds, ""]
    table = pd.crosstab(joined["prior_education"].fillna(""), joined["outcome"]).astype(float)
    table = table.reindex(
        index=[kind for kind in kinds if kind in table.index], columns=[name for name in OUTCOMES if name in table.columns]
    )
    students = table.sum(axis=1)
    return suppressed(table).assign(students=students.where(students >= FEWEST))


def suppressed(table: pd.DataFrame, fewest: int = FEWEST) -> pd.DataFrame:
    """Blank the cells under `fewest`, and as many more that none can be worked out from its row or column and their sums.

    A cell of zero that no one could be in counts as any other small one: that nobody dropped out is also told of somebody.
    """
    hidden = table < fewest
    if not hidden.to_numpy().any():
        return table
    counts = table.to_numpy(dtype=float)
    mask = hidden.to_numpy().copy()
    changed = True
    while changed:
        changed = False
        for axis in (0, 1):
            for place in range(counts.shape[axis]):
                line = mask[place] if axis == 0 else mask[:, place]
                if line.sum() == 1 and line.size > 1:
                    values = counts[place] if axis == 0 else counts[:, place]
                    smallest = int(min((value, at) for at, value in enumerate(values) if not line[at])[1])
                    line[smallest] = True
                    changed = True
    return table.mask(mask)


def _records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.to_dict("records")


def _count(value: float) -> str:
    return f"< {FEWEST}" if value != value else f"{int(value)}"


def _cohort_rows(cohorts: pd.DataFrame, words: Mapping[str, str]) -> list[list[str]]:
    return [
        [str(row['label']), _count(float(row['students']) if row['students'] >= FEWEST or row['students'] == 0 else float("nan")),
         str(row['programmes']), words["closed"] if row['closed'] else words["running"]]
        for row in _records(cohorts)
    ]  # fmt: skip


def _figure(
    name: str, words: Mapping[str, str], svg: str, rows: Sequence[Sequence[str]], header: Sequence[str] | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "title": words[f"{name}_title"],
        "text": words[f"{name}_text"],
        "svg": svg,
        "header": list(header) if header else words[f"{name}_header"].split("|"),
        "rows": rows,
    }
