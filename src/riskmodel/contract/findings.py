"""What a check found: each finding with its place, its count and its remedy, in Dutch or English. Knows nothing of how it was found."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal

from riskmodel.errors import DataFault
from riskmodel.resources import words_file

Severity = Literal["fault", "warning", "note"]
Language = Literal["nl", "en"]


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes
    ----------
    rule : str
        Stable name of the rule; the key of its words and of an `accept` entry.
    severity : {'fault', 'warning', 'note'}
        A fault stops; a warning set rows apart or blanked a value and goes on; a note tells.
    table : str
        The table it concerns.
    column : str
        The column it concerns, as the contract calls it; empty where it concerns the table.
    rows : tuple of int or str
        The first few row numbers, as a person sees them in the file: the header of a CSV file or sheet is row 1; the first row of
        a Parquet file is row 1. Where a table lies in several files, 'name:row'.
    count : int
        How many rows.
    figures : mapping
        What the words need: names, shares, examples.
    """

    rule: str
    severity: Severity
    table: str
    column: str = ""
    rows: tuple[int | str, ...] = ()
    count: int = 0
    figures: Mapping[str, Any] = field(default_factory=dict)

    def told(self, language: Language = "en") -> tuple[str, str]:
        """Give what is wrong and what to do, as two sentences."""
        words = _words(language)[self.rule]
        values = {"table": self.table, "column": self.column, "count": self.count, **self.figures}
        if "kind" in values:
            values["kind"] = _words(language)["kinds"][values["kind"]]
        return words["what"].format_map(values), words["remedy"].format_map(values)

    def line(self, language: Language = "en") -> str:
        """Give the finding as one line: place, what, remedy."""
        what, remedy = self.told(language)
        words = _words(language)["words"]
        place = self.table + (f".{self.column}" if self.column else "")
        rows = ""
        if self.rows:
            more = ", ..." if self.count > len(self.rows) else ""
            rows = f" ({words['rows']} {', '.join(map(str, self.rows))}{more}; {words['in_all']} {self.count})"
        return f"{place}{rows}: {what} {remedy}"


@cache
def _words(language: Language) -> dict[str, dict[str, str]]:
    return tomllib.loads(words_file(f"findings.{language}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class CheckReport:
    """All findings of a data set, and what it holds.

    Attributes
    ----------
    findings : tuple of Finding
        Faults first, then warnings, then notes.
    summary : dict
        Plain figures: cohorts, rows per table, missing shares, first and last dates, how late grades become known, outcomes and
        their definition.
    """

    findings: tuple[Finding, ...]
    summary: dict[str, Any]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that stop."""
        return tuple(finding for finding in self.findings if finding.severity == "fault")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that set rows apart and go on."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    def raise_faults(self, place: str) -> None:
        """Raise one DataFault that tells every fault, where there is any."""
        if self.faults:
            lines = "\n".join(f"  {finding.line()}" for finding in self.faults)
            raise DataFault(
                f"these tables can't be used yet:\n{lines}\n", place=place, remedy=f"'riskmodel data check {place}' tells all findings."
            )

    def to_json(self, language: Language = "en") -> str:
        """Give findings and summary as JSON with stable keys."""
        findings = []
        for finding in self.findings:
            what, remedy = finding.told(language)
            findings.append({**asdict(finding), "rows": list(finding.rows), "what": what, "remedy": remedy})
        content = {"ok": not self.faults, "findings": findings, "summary": self.summary}
        return json.dumps(content, ensure_ascii=False, indent=2, default=str)

    def to_text(self, language: Language = "en") -> str:
        """Give findings and summary as plain text."""
        words = _words(language)["words"]
        lines: list[str] = []
        severities: tuple[Severity, ...] = ("fault", "warning", "note")
        for severity in severities:
            found = [finding for finding in self.findings if finding.severity == severity]
            if found:
                lines.append(f"{words[severity]} ({len(found)})")
                lines += [f"  {finding.line(language)}" for finding in found]
                lines.append("")
        lines += _summary_lines(self.summary, words)
        lines += ["", words["stops"] if self.faults else words["goes_on"]]
        return "\n".join(lines)


def _summary_lines(summary: Mapping[str, Any], words: Mapping[str, str]) -> list[str]:
    lines = [words["found"]]
    for cohort in summary.get("cohorts", []):
        state = words["closed"] if cohort["closed"] else words["running"]
        lines.append(
            f"  {cohort['label']}: {cohort['students']} {words['students']}, {cohort['programmes']} {words['programmes']}, {state}"
        )
    for table in summary.get("tables", []):
        span = f", {table['first']} .. {table['last']}" if table.get("first") else ""
        lines.append(f"  {table['table']}: {table['rows']} {words['rows']}, {table['set_apart']} {words['set_apart']}{span}")
        missing = {column: share for column, share in table.get("missing", {}).items() if share > 0}
        if missing:
            told = ", ".join(f"{column} {100 * share:.1f} %" for column, share in missing.items())
            lines.append(f"    {words['missing']}: {told}")
    late = summary.get("grades_known_after_days")
    if late:
        lines.append(f"  {words['grades_late'].format_map(late)}")
    late = summary.get("leaving_known_after_days")
    if late:
        lines.append(f"  {words['leaving_late'].format_map(late)}")
    if summary.get("outcomes"):
        told = ", ".join(f"{name} {count}" for name, count in summary["outcomes"].items())
        lines.append(f"  {words['outcomes']}: {told}")
    definition = summary.get("outcome_definition")
    if definition:
        yes, no = words["yes"], words["no"]
        lines.append(f"  {words['definition']}:")
        lines.append(f"    {words['measured_on']}: {definition['measured_on']}")
        lines.append(f"    {words['switch_inside']}: {yes if definition['switch_inside_counts'] else no}")
        lines.append(f"    {words['early_leavers']}: {yes if definition['early_leavers_count'] else no}")
        if definition.get("note"):
            lines.append(f"    {definition['note']}")
    lines += [f"  {words['accepted'].format_map(accepted)}" for accepted in summary.get("accepted", [])]
    return lines
