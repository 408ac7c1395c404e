"""A data folder, read, checked and ready: the one door by which an institution's tables enter the product."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import narwhals as nw
import pandas as pd

from riskmodel.contract.checking import DatasetCheck
from riskmodel.contract.definition import FILE_NAME, DatasetDefinition, RecentDays, Table, read_definition
from riskmodel.contract.findings import CheckReport
from riskmodel.contract.reading import connect, files_of, read_as_text
from riskmodel.frames import to_pandas
from riskmodel.objections import Held, by_cohort, current, erased_nowhere, held_in, only, read_list, together, without
from riskmodel.progress import Progress, silent
from riskmodel.tables import Frame, Tables

Backend = Literal["duckdb", "pandas"]
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Dataset:
    """A data folder whose tables passed the check.

    Attributes
    ----------
    folder : Path
        Where it lies.
    definition : DatasetDefinition
        What `dataset.toml` says.
    tables : Tables
        The rows that passed; on DuckDB they are read as they are needed.
    report : CheckReport
        Warnings, notes and what was found.
    objectors : Tables or None
        The rows of students who objected, apart: no model reads them, but the rule of the first test may. None where nobody did.
    left_out : Held
        Who is not in `tables`, because they objected or were erased.
    left_out_of : dict of cohort to Held
        The same by the cohorts that they stand in; a cohort of which nobody is left out is missing.
    erased_nowhere : int
        How many were erased who stand in none of the files, or no longer.
    """

    folder: Path
    definition: DatasetDefinition
    tables: Tables
    report: CheckReport
    objectors: Tables | None = None
    left_out: Held = field(default_factory=Held)
    left_out_of: dict[str, Held] = field(default_factory=dict)
    erased_nowhere: int = 0
    _keep: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over `dataset.toml` and the content of every table that training reads."""
        return fingerprint(self.folder, self.definition)

    def with_recent(self, days: RecentDays | None) -> Dataset:
        """Give the same data with another length of the recent weeks, which is not read from disk again; None changes nothing."""
        if days is None or days == self.definition.recent_days:
            return self
        return replace(self, definition=self.definition.model_copy(update={"recent_days": days}))

    def read_and_left_out(self, cohorts: Sequence[str]) -> tuple[int, Held]:
        """Give how many students of some cohorts are in the tables, and which are not, because of their rights."""
        those = self.tables.enrolments.filter(nw.col("cohort").is_in(list(cohorts)))
        held_back = [self.left_out_of[cohort] for cohort in cohorts if cohort in self.left_out_of]
        return len(to_pandas(those.select("student_id").unique())), together(held_back)

    def outcomes(self) -> pd.DataFrame:
        """Give enrolment_id and outcome of the closed cohorts; empty where there are none."""
        if self.tables.outcomes is None:
            return pd.DataFrame({"enrolment_id": pd.Series(dtype="str"), "outcome": pd.Series(dtype="str")})
        return to_pandas(self.tables.outcomes)


def check_dataset(folder: Path, *, progress: Progress = silent, memory_limit: str = "1200MB") -> CheckReport:
    """Check a data folder and give all findings at once; faults are findings, not errors.

    Parameters
    ----------
    folder : Path
        A folder with `dataset.toml` and the tables that it names.
    progress : Progress
        Told which table is being checked.
    memory_limit : str
        What DuckDB may hold in memory before it spills to disk.

    Raises
    ------
    ConfigurationFault
        `dataset.toml` is missing or says something that cannot be.
    """
    definition = read_definition(folder)
    with tempfile.TemporaryDirectory(prefix="riskmodel-", ignore_cleanup_errors=True) as scratch, connect(memory_limit) as connection:
        return DatasetCheck(connection, folder, definition, Path(scratch), progress).run()


def load_dataset(
    folder: Path, *, backend: Backend = "duckdb", progress: Progress = silent, memory_limit: str = "1200MB", threads: int | None = None
) -> Dataset:
    """Read and check a data folder, without the students who objected or were erased.

    The list that `dataset.toml` declares under `[rights]` holds, and those of `riskmodel.objections.in_force`.

    Parameters
    ----------
    folder : Path
        A folder with `dataset.toml` and the tables that it names.
    backend : {'duckdb', 'pandas'}
        On DuckDB the tables are read as they are needed and may be larger than memory; on pandas they are in memory.
    progress : Progress
        Told which table is being checked.
    memory_limit : str
        What DuckDB may hold in memory before it spills to disk.
    threads : int, optional
        How many threads DuckDB may use; all cores by default.

    Raises
    ------
    ConfigurationFault
        `dataset.toml` is missing or says something that cannot be, or the list of objections that it declares can't be read.
    DataFault
        The check found faults; all are told.
    """
    definition = read_definition(folder)
    source = current()
    lists = [*source.lists(), *([] if definition.rights is None else [read_list(folder / definition.rights.list)])]
    scratch = tempfile.TemporaryDirectory(prefix="riskmodel-", ignore_cleanup_errors=True)
    connection = connect(memory_limit, threads)
    check = DatasetCheck(connection, folder, definition, Path(scratch.name), progress)
    try:
        report = check.run()
        report.raise_faults(str(folder))
    except BaseException:
        connection.close()
        scratch.cleanup()
        raise

    def frame(name: str) -> Frame | None:
        if name not in check.clean:
            return None
        relation = connection.table(check.clean[name]) if name == "enrolments" else connection.view(check.clean[name])
        return nw.from_native(relation.df() if backend == "pandas" else relation).lazy()

    enrolments = frame("enrolments")
    assert enrolments is not None
    extra = {each.name: frame(f"extra_{each.name}") for each in definition.extra if each.source == "dated"}
    tables = Tables(
        enrolments=enrolments,
        attendance=frame("attendance"),
        results=frame("results"),
        outcomes=frame("outcomes"),
        extra={name: each for name, each in extra.items() if each is not None},
    )
    left_out = held_in(tables, lists)
    objectors = only(tables, left_out.objected) if left_out.objected else None
    left_out_of: dict[str, Held] = {}
    if left_out.everyone:
        left_out_of = by_cohort(tables, left_out)
        tables = without(tables, left_out.everyone)
        source.told(left_out)
    return Dataset(
        folder, definition, tables, report, objectors, left_out, left_out_of, erased_nowhere(left_out, lists), (scratch, connection)
    )


def fingerprint(folder: Path, definition: DatasetDefinition) -> str:
    """Give the SHA-256 over `dataset.toml` and the content of every table that training reads, whatever the machine."""
    digest = hashlib.sha256((folder / FILE_NAME).read_bytes().replace(b"\r\n", b"\n"))
    for table in _read_by_training(definition).values():
        _digest(digest, folder, table)
    return digest.hexdigest()


def part_fingerprints(folder: Path, definition: DatasetDefinition) -> dict[str, str]:
    """Give the SHA-256 of `dataset.toml` and of each table that training reads, so that a change can be told by its place."""
    told = {FILE_NAME: hashlib.sha256((folder / FILE_NAME).read_bytes().replace(b"\r\n", b"\n")).hexdigest()}
    for name, table in _read_by_training(definition).items():
        digest = hashlib.sha256()
        _digest(digest, folder, table)
        told[name] = digest.hexdigest()
    return told


def _read_by_training(definition: DatasetDefinition) -> dict[str, Table]:
    names: tuple[Literal["enrolments", "attendance", "results", "outcomes"], ...] = ("enrolments", "attendance", "results", "outcomes")
    tables: dict[str, Table] = {name: definition.tables[name] for name in names if name in definition.tables}
    return tables | {f"extra.{extra.name}": extra.table for extra in definition.extra if extra.table is not None}


def _digest(digest: hashlib._Hash, folder: Path, table: Table) -> None:
    for file in files_of(folder, table):
        digest.update(file.name.encode())
        with file.open("rb") as handle:
            while block := handle.read(_BLOCK):
                digest.update(block)


def _read_people(folder: Path, definition: DatasetDefinition, name: Literal["contacts", "coaches"], columns: Sequence[str]) -> pd.DataFrame:
    """Give a table of people as text, one row for each."""
    table = definition.tables.get(name)
    if table is None:
        return pd.DataFrame({column: pd.Series(dtype="str") for column in columns})
    frame = read_as_text(folder, name, table, columns[0]).reindex(columns=list(columns)).astype("str")
    return frame.sort_values(columns[0], ignore_index=True)


def read_contacts(folder: Path, definition: DatasetDefinition) -> pd.DataFrame:
    """Give student_id, name, email and language of each student, as text; empty where the institution has none."""
    return _read_people(folder, definition, "contacts", ("student_id", "name", "email", "language"))


def read_coaches(folder: Path, definition: DatasetDefinition) -> pd.DataFrame:
    """Give coach_id, name, email, login_subject and capacity of each coach, as text; empty where the institution has none."""
    return _read_people(folder, definition, "coaches", ("coach_id", "name", "email", "login_subject", "capacity"))
