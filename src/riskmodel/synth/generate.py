"""A whole synthetic data folder, cohort by cohort and programme by programme, so that a country fits in little memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from riskmodel.contract.definition import DEFAULT_LANDMARKS
from riskmodel.contract.reading import connect, literal
from riskmodel.dates import to_epoch_day
from riskmodel.files import atomic_folder
from riskmodel.progress import Progress, silent
from riskmodel.synth import mechanism, tables
from riskmodel.synth.describe import write_definition, write_settings
from riskmodel.synth.names import contacts_of, name_of
from riskmodel.synth.settings import INTAKE, SynthSettings

TRUTH = "truth"
_LATE_REGISTRATION = 0.25
_FAILED_FEED = (28, 42)  # days of the running cohort on which no attendance arrives, in the scenario 'feed_failure'
_MISSED_SCANS = 0.2  # share of the running cohort's attendance that another system fails to register, in the scenario 'drift'
_SCHEMAS = {
    "enrolments": pa.schema(
        [
            *((name, pa.string()) for name in ("enrolment_id", "student_id", "cohort", "programme", "academy")),
            *((name, pa.date32()) for name in ("start_date", "enrolled_on", "left_on", "left_known_on")),
            ("prior_education", pa.string()),
            ("prior_education_related", pa.float64()),
            *((name, pa.string()) for name in ("intake_check", "study_form", "level")),
            ("gap_years", pa.float64()),
            ("coach_id", pa.string()),
        ]
    ),
    "attendance": pa.schema(
        [
            ("enrolment_id", pa.dictionary(pa.int32(), pa.string())),
            ("date", pa.date32()),
            ("course", pa.dictionary(pa.int32(), pa.string())),
            ("session_id", pa.int32()),
            ("scheduled", pa.int8()),
            ("attended", pa.int8()),
        ]
    ),
    "results": pa.schema(
        [
            ("enrolment_id", pa.string()),
            ("date", pa.date32()),
            ("known_on", pa.date32()),
            ("course", pa.string()),
            ("test", pa.string()),
            ("attempt", pa.int8()),
            ("grade", pa.string()),
            ("credits", pa.float64()),
        ]
    ),
    "outcomes": pa.schema([("enrolment_id", pa.string()), ("outcome", pa.string())]),
    "groups": pa.schema(
        [(name, pa.string()) for name in ("student_id", "gender", "migration_background", "first_generation", "disability")]
    ),
    "contacts": pa.schema([(name, pa.string()) for name in ("student_id", "name", "email", "language")]),
    "coaches": pa.schema([*((name, pa.string()) for name in ("coach_id", "name", "email", "login_subject")), ("capacity", pa.int32())]),
}


def generate(folder: Path, settings: SynthSettings, progress: Progress = silent) -> None:
    """Write a synthetic data folder, whole or not at all; the same settings give the same tables.

    Parameters
    ----------
    folder : Path
        A new folder. It gets `dataset.toml`, `policy.toml`, the contract's tables and `truth/`, which tests and benchmarks alone read. In the format
        '1cho' it gets a delivery of the sector's enrolment file instead, and what a student system adds to it.
    settings : SynthSettings
    progress : Progress
        Told which programme of which cohort is being made.

    Raises
    ------
    RiskModelError
        The folder holds something already, or can't be written.
    """
    with atomic_folder(folder) as place:
        (place / TRUTH).mkdir()
        with _Writers(place) as writers:
            _Institution(settings, writers, progress).make()
        if settings.format == "1cho":
            from riskmodel.synth.onecijferho import write_1cho

            write_1cho(place, settings)
            write_settings(place, settings)
            return
        write_definition(place, settings)
        if settings.format == "csv":
            _to_csv(place)
        if settings.scenario == "transparent":
            from riskmodel.synth.transparent import write_outcomes

            write_outcomes(place, settings.seed)


class _Writers:
    """One Parquet file per table, written row group by row group."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> _Writers:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._open.values():
            writer.close()

    def write(self, name: str, table: pa.Table) -> None:
        if name not in self._open:
            path = self.folder / (f"{TRUTH}/{name}.parquet" if name == TRUTH else f"{name}.parquet")
            self._open[name] = pq.ParquetWriter(path, table.schema, compression="zstd")
        self._open[name].write_table(table)


class _Institution:
    def __init__(self, settings: SynthSettings, writers: _Writers, progress: Progress) -> None:
        self.settings = settings
        self.writers = writers
        self.progress = progress
        self.noise = settings.scenario == "noise"
        count = settings.programmes
        self.programmes = tables.make_programmes(count, settings.seed, late=settings.scenario == "late_tests")

    def make(self) -> None:
        settings = self.settings
        total = settings.cohorts * len(self.programmes)
        for cohort, year in enumerate(settings.years):
            for place, _ in enumerate(self._cohort(cohort, year)):
                self.progress(cohort * len(self.programmes) + place + 1, total, f"making cohort {year}")
        coaches = self._coaches
        self.writers.write("coaches", pa.Table.from_pandas(coaches, schema=_SCHEMAS["coaches"], preserve_index=False))

    def _cohort(self, cohort: int, year: int) -> Iterator[None]:
        settings = self.settings
        generator = np.random.default_rng([settings.seed, 2, cohort])
        n = settings.students
        shares = np.array([programme.share for programme in self.programmes])
        if settings.scenario == "new_programme" and cohort < settings.cohorts - 1:
            shares[-1] = 0.0
            shares = shares / shares.sum()
        kinds = generator.permutation(np.repeat(mechanism.KINDS, _apportion(n, np.array(list(INTAKE.values())))))
        programme_of = generator.permutation(np.repeat(np.arange(len(self.programmes)), _apportion(n, shares)))
        traits = np.empty((n, len(mechanism.TRAITS)))
        for kind in mechanism.KINDS:
            traits[kinds == kind] = mechanism.draw_traits(kinds[kinds == kind], generator)
        effect = np.array([programme.effect for programme in self.programmes])[programme_of]
        probabilities = mechanism.outcome_probabilities(kinds, traits, effect, settings.dropout(cohort), noise=self.noise)
        outcomes = mechanism.draw_outcomes(probabilities, generator)
        leaving = np.full(n, np.nan) if self.noise else mechanism.draw_leaving(outcomes, generator)
        looks_well = generator.random(n) < mechanism.LOOKS_WELL
        first = 0
        for place, programme in enumerate(self.programmes):
            who = np.flatnonzero(programme_of == place)
            if len(who):
                block = _Block(self, cohort, year, place, programme, first)
                block.write(kinds[who], traits[who], probabilities[who], outcomes[who], leaving[who], looks_well[who])
                first += len(who)
            yield

    @property
    def _coaches(self) -> pd.DataFrame:
        largest = self.settings.students
        rows = []
        for place, programme in enumerate(self.programmes):
            for coach in range(-(-int(programme.share * largest + 1) // tables.GROUP_OF_A_COACH) + 1):
                name = name_of(np.random.default_rng([self.settings.seed, 5, place, coach]))
                rows.append(
                    (f"c{place:03d}-{coach:03d}", name, f"slb.{place:03d}.{coach:03d}@example.nl", f"slb-{place:03d}-{coach:03d}", 6)
                )
        return pd.DataFrame(rows, columns=["coach_id", "name", "email", "login_subject", "capacity"])


class _Block:
    """One programme's students of one cohort."""

    def __init__(self, institution: _Institution, cohort: int, year: int, place: int, programme: tables.Programme, first: int) -> None:
        self.institution = institution
        self.settings = institution.settings
        self.label = f"{year}-{year + 1}"
        self.start = to_epoch_day(dt.date(year, 9, 1))
        self.place, self.programme, self.first = place, programme, first
        self.year = year
        running = cohort == self.settings.cohorts - 1 and not self.settings.closed
        self.until = self.settings.until_day if running else None
        self.running = running
        self.generator = np.random.default_rng([self.settings.seed, 3, cohort, place])

    def write(
        self,
        kinds: np.ndarray,
        traits: np.ndarray,
        probabilities: np.ndarray,
        outcomes: np.ndarray,
        leaving: np.ndarray,
        looks_well: np.ndarray,
    ) -> None:
        n, generator, write = len(kinds), self.generator, self.institution.writers.write
        numbers = np.arange(self.first, self.first + n)
        ids = np.array([f"{self.year}-{number:06d}" for number in numbers])
        students = np.array([f"s{self.year % 100:02d}{number:06d}" for number in numbers])
        started = tables.enrolments(kinds, traits, self.programme, generator)
        start = started["start"].to_numpy()
        leaving = np.where(leaving <= start + 3, start + 4.0, leaving)
        groups = tables.sensitive(traits, generator)
        behaviour = generator.normal(size=traits.shape) if self.institution.noise else traits
        lessons = tables.attendance(behaviour, start, leaving, looks_well, self.programme, generator)
        tests = tables.results(behaviour, start, leaving, looks_well, self.programme, generator)
        late = generator.random(n) < _LATE_REGISTRATION
        known = leaving + np.where(late, generator.integers(14, 61, n), generator.integers(0, 8, n))
        if self.until is not None:
            lessons = lessons[lessons["day"] < self.until]
            tests = tests[tests["known"] <= self.until]
            leaving = np.where(known <= self.until, leaving, np.nan)
            known = np.where(known <= self.until, known, np.nan)
            if self.settings.scenario == "feed_failure":
                lessons = lessons[~lessons["day"].between(_FAILED_FEED[0], _FAILED_FEED[1] - 1)]
            if self.settings.scenario == "drift":
                missed = np.random.default_rng([self.settings.seed, 7, self.place]).random(len(lessons)) < _MISSED_SCANS
                lessons = lessons.assign(attended=np.where(missed, 0, lessons["attended"]).astype(np.int8))
        texts = {
            "enrolment_id": ids,
            "student_id": students,
            "cohort": self.label,
            "programme": self.programme.name,
            "academy": self.programme.academy,
        }
        dates = {"start_date": start, "enrolled_on": started["enrolled"].to_numpy(), "left_on": leaving, "left_known_on": known}
        same = ("prior_education", "prior_education_related", "intake_check", "study_form", "level", "gap_years")
        coach = [f"c{self.place:03d}-{group:03d}" for group in started["coach"]]
        frame = pd.DataFrame({**texts, **{name: started[name] for name in same}, "coach_id": coach})
        write("enrolments", _table("enrolments", frame, {name: self._dates(days) for name, days in dates.items()}))
        write("groups", _table("groups", groups.assign(student_id=students), {}))
        write("contacts", _table("contacts", contacts_of(students, groups["gender"].to_numpy(), generator), {}))
        if not self.running:
            write("outcomes", _table("outcomes", pd.DataFrame({"enrolment_id": ids, "outcome": outcomes}), {}))
        write("attendance", self._lessons(lessons, ids))
        told = tests.assign(enrolment_id=ids[tests["student"].to_numpy()])
        write(
            "results",
            _table("results", told, {"date": self._dates(tests["day"].to_numpy()), "known_on": self._dates(tests["known"].to_numpy())}),
        )
        write(TRUTH, self._truth(ids, probabilities, leaving, traits))

    def _dates(self, days: np.ndarray) -> pa.Array:
        missing = np.isnan(days.astype(float))
        filled = np.where(missing, 0, days).astype(np.int32) + np.int32(self.start)
        return pa.array(filled.astype(np.int32), mask=missing).cast(pa.date32())

    def _lessons(self, lessons: pd.DataFrame, ids: np.ndarray) -> pa.Table:
        courses, course = np.unique(lessons["course"].to_numpy(dtype="U"), return_inverse=True)
        arrays = [
            pa.DictionaryArray.from_arrays(pa.array(lessons["student"].to_numpy(), pa.int32()), pa.array(ids)),
            self._dates(lessons["day"].to_numpy()),
            pa.DictionaryArray.from_arrays(pa.array(course, pa.int32()), pa.array(courses)),
            pa.array(lessons["session"].to_numpy(), pa.int32()),
            pa.array(np.ones(len(lessons)), pa.int8()),
            pa.array(lessons["attended"].to_numpy(), pa.int8()),
        ]
        return pa.Table.from_arrays(arrays, schema=_SCHEMAS["attendance"])

    def _truth(self, ids: np.ndarray, probabilities: np.ndarray, leaving: np.ndarray, traits: np.ndarray) -> pa.Table:
        columns: dict[str, Any] = {
            "enrolment_id": ids,
            "cohort": np.repeat(self.label, len(ids)),
            "dropout": probabilities[:, 0],
            "switch": probabilities[:, 1],
        }
        for day in DEFAULT_LANDMARKS:
            at = probabilities if self.institution.noise else mechanism.probabilities_at(probabilities, day)
            gone = (leaving <= day)[:, None]
            here = np.where(gone, np.nan, at)
            columns |= {f"dropout_{day}": here[:, 0], f"switch_{day}": here[:, 1]}
        columns |= {name: traits[:, place] for place, name in enumerate(mechanism.TRAITS)}
        return pa.table(columns)


def _table(name: str, frame: pd.DataFrame, dates: dict[str, pa.Array]) -> pa.Table:
    schema = _SCHEMAS[name]
    arrays = [
        dates[field.name] if field.name in dates else pa.array(frame[field.name].to_numpy(), field.type, from_pandas=True)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _apportion(total: int, shares: np.ndarray) -> np.ndarray:
    """Divide a whole number by shares, largest remainders first."""
    exact = total * shares / shares.sum()
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return np.asarray(counts)


def _to_csv(folder: Path) -> None:
    with connect() as connection:
        for path in sorted(folder.glob("*.parquet")):
            target = path.with_suffix(".csv")
            source = literal(path.as_posix())
            connection.execute(f"COPY (SELECT * FROM read_parquet({source})) TO {literal(target.as_posix())} (HEADER, DELIMITER ';')")
            path.unlink()
