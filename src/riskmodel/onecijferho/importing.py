"""From 1cijferHO files to a data folder: enrolments and outcomes of all past cohorts, and a `dataset.toml` that says how they came about.

Facts of the file: DUO's layout description of 1cijferHO 2023, version 1.1. Every choice that the sector's definition leaves open is an option, and stands
in the target's `dataset.toml` with what was counted and left out. Person numbers become keyed pseudonyms and are kept nowhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from riskmodel.contract.reading import connect, literal, quoted
from riskmodel.errors import DataFault
from riskmodel.files import atomic_folder
from riskmodel.onecijferho import pseudonyms
from riskmodel.onecijferho.definition import write_definition
from riskmodel.onecijferho.faults import told
from riskmodel.onecijferho.fields import FIELDS, SENSITIVE, column_name, find
from riskmodel.onecijferho.history import DESTINATIONS, FIRST_FIELD, Choices, History
from riskmodel.onecijferho.layout import is_layout
from riskmodel.onecijferho.reading import Source, files_in
from riskmodel.onecijferho.report import Imported
from riskmodel.progress import Progress, silent

_EVERYBODY = 0.99
_SHOWN = 8
_STEPS = 100


def import_1cho(
    files: Sequence[Path],
    target: Path,
    key: Path,
    *,
    layouts: Sequence[Path] = (),
    institution: str | None = None,
    choices: Choices | None = None,
    groups: Sequence[str] = (),
    also: Sequence[str] = (),
    memory_limit: str = "1200MB",
    progress: Progress = silent,
) -> Imported:
    """Turn enrolment files of one institution into a data folder.

    Parameters
    ----------
    files : sequence of Path
        `EV*.asc` as delivered, or what the sector's converter made of it; several deliveries may overlap; a folder stands for those in it.
    target : Path
        A new folder; it appears whole or not at all.
    key : Path
        The key of the pseudonyms, outside `target`; made where it does not exist.
    layouts : sequence of Path
        Layout descriptions; those beside each file by default.
    institution : str, optional
        Code of the institution; found out where only one can be meant.
    choices : Choices, optional
        Which first-years, what leaving for university counts as, and from which year on.
    groups : sequence of str
        Sensitive fields to read, for the table `groups` alone; none by default.
    also : sequence of {'school_grade', 'years_in_ho'}
        Further columns, declared as signals of the institution's own.
    memory_limit : str
        What DuckDB may hold in memory before it spills to disk.
    progress : Progress
        Told which file is being read.

    Raises
    ------
    DataFault
        A file is missing, empty, cut off, of another kind, lacks a needed field, or no layout fits it; or it can't be said which institution is meant.
    RiskModelError
        The target exists or can't be written, or the key can't be used.
    """
    chosen = choices or Choices()
    pseudonyms.require_outside(key, target)
    sensitive = [_sensitive(name) for name in groups]
    with (
        tempfile.TemporaryDirectory(prefix="riskmodel-", ignore_cleanup_errors=True) as scratch,
        connect(memory_limit) as connection,
        atomic_folder(target) as folder,
        told(tempfile.gettempdir()),
    ):
        connection.execute(f"SET temp_directory = {literal(Path(scratch).as_posix())}")
        new_key = not key.exists()
        secret = pseudonyms.new_key() if new_key else pseudonyms.read_key(key)
        work = _Import(connection, folder, secret, chosen, tuple(dict.fromkeys(sensitive)), tuple(also), progress)
        # Whoever names all files of a delivery names its layout among them.
        named = [path for path in files if is_layout(path)]
        work.read(files_in([path for path in files if path not in named]), [*layouts, *named])
        done = work.write(institution)
        if new_key:
            pseudonyms.write_key(key, secret)
        return replace(done, new_key=new_key)


def _sensitive(asked: str) -> str:
    """Give a sensitive field's own name; refuse what is none.

    Raises
    ------
    DataFault
        It is no sensitive field that may go to `groups`.
    """
    found = find(asked, SENSITIVE) or next((name for name in SENSITIVE if column_name(name) == column_name(asked)), None)
    if found is None:
        raise DataFault(f"'{asked}' is no field for groups.", place="--groups", remedy=f"These are: {', '.join(SENSITIVE)}.")
    return found


class _Import:
    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        folder: Path,
        secret: bytes,
        choices: Choices,
        groups: tuple[str, ...],
        also: tuple[str, ...],
        progress: Progress,
    ) -> None:
        self.connection = connection
        self.folder = folder
        self.secret = secret
        self.choices = choices
        self.groups = groups
        self.also = also
        self.progress = progress
        self.history = History(connection, groups, choices)
        self.files: list[dict[str, Any]] = []
        self.absent: set[str] = set()

    # --- reading -------------------------------------------------------------------------------------------------------------------

    def read(self, files: Sequence[Path], layouts: Sequence[Path]) -> None:
        wanted = [field.name for key, field in FIELDS.items() if key not in FIRST_FIELD.values() or key in self._firsts]
        sources = [Source(path, layouts, [*wanted, *self.groups]) for path in files]
        for source in sources:
            self._require(source)
        sizes = [path.stat().st_size for path in files]
        for place, (source, size) in enumerate(zip(sources, sizes, strict=True)):
            before, total = sum(sizes[:place]), sum(sizes)

            def heard(read: int, before: int = before, size: int = size, total: int = total, name: str = source.path.name) -> None:
                self.progress(_STEPS * (before + min(read, size)) // total, _STEPS, f"reading {name}")

            heard(0)
            rows, unreadable = self.history.add(place, self._keyed(source.chunks(heard)), source.found, str(source.path), source.unit)
            layout = "" if source.layout is None else source.layout.path.name
            self.files.append({"file": source.path.name, "layout": layout, "rows": rows, "unreadable": unreadable})
        for place, year in self.history.deliveries().items():
            self.files[place]["delivery"] = year

    def _keyed(self, chunks: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """Give chunks with pseudonyms where person numbers stood."""
        name = FIELDS["person"].name
        for chunk in chunks:
            place = chunk.schema.get_field_index(name)
            yield chunk.set_column(place, name, pseudonyms.keyed(self.secret, chunk[name]))

    @property
    def _firsts(self) -> set[str]:
        """The indications of first-years to read: the one that is asked for, and the year that tells of an earlier start."""
        return {FIRST_FIELD[self.choices.first_years]} | ({"first_ho"} if "years_in_ho" in self.also else set())

    def _require(self, source: Source) -> None:
        needed = {FIELDS[FIRST_FIELD[self.choices.first_years]].name, *(each.name for each in FIELDS.values() if each.needed), *self.groups}
        needed |= {FIELDS["grade"].name} if "school_grade" in self.also else set()
        needed |= {FIELDS["first_ho"].name} if "years_in_ho" in self.also else set()
        lacking = sorted(needed - set(source.found))
        if lacking:
            raise DataFault(
                f"the field{'s' if len(lacking) > 1 else ''} {', '.join(repr(name) for name in lacking)} {'are' if len(lacking) > 1 else 'is'} not there.",
                place=source.place,
                remedy="Give the layout description that came with this delivery, or convert the delivery again with all fields.",
            )
        used = {each.name for key, each in FIELDS.items() if key not in ("grade", *FIRST_FIELD.values())}
        self.absent |= used - set(source.found)

    # --- writing -------------------------------------------------------------------------------------------------------------------

    def write(self, institution: str | None) -> Imported:
        self.progress(_STEPS, _STEPS, "looking for the institution")
        replaced = self.history.keep_newest()
        code, found_by = self._institution(institution)
        self.progress(_STEPS, _STEPS, "looking up what became of first-years")
        left_out = self.history.build(code)
        if replaced:
            left_out = {"rows of an older delivery that a newer one replaced": replaced, **left_out}
        built = self._one("SELECT count(*) FROM built")
        if not built:
            raise DataFault(
                f"no first-year of {code} is left to build a cohort of.",
                place=self.files[0]["file"],
                remedy="Look at --since and --first-years.",
            )
        self.progress(_STEPS, _STEPS, "writing the data folder")
        self._tables()
        columns = ("prior_education", "study_form", "gap_years", "left_on")
        counts = self.connection.execute(
            f"SELECT {', '.join(f'count(*) - count({column})' for column in columns[:3])} FROM built"
        ).fetchall()[0]
        done = Imported(
            institution=code,
            found_by=found_by,
            files=tuple(self.files),
            cohorts=self._cohorts(),
            left_out=left_out,
            unknown={column: count for column, count in zip(columns, counts, strict=False) if count},
            absent=tuple(sorted(self.absent)),
            groups=self.groups,
        )
        write_definition(self.folder, done, self.choices, self.also, pseudonyms.key_check(self.secret))
        return done

    def _one(self, sql: str) -> int:
        return int(self.connection.execute(sql).fetchall()[0][0])

    def _institution(self, asked: str | None) -> tuple[str, str]:
        have = self.history.institutions()
        place = ", ".join(each["file"] for each in self.files)
        if not have:
            raise DataFault(
                "nobody in these files has a main enrolment in hbo as a first-year.",
                place=place,
                remedy="Give the institution's own enrolment file (EV*.asc).",
            )
        told = ", ".join(f"{code} ({first} first-years, {100 * share:.0f} % of the students)" for code, first, share in have[:_SHOWN])
        more = f" and {len(have) - _SHOWN} more" if len(have) > _SHOWN else ""
        if asked is not None:
            wanted = asked.strip().upper()
            if wanted not in {code for code, _, _ in have}:
                raise DataFault(
                    f"{wanted} has no first-years in these files; these have: {told}{more}.", place=place, remedy="Name one of them."
                )
            return wanted, "named"
        if len(have) == 1:
            return have[0][0], "the only one with first-years in these files"
        everywhere = [code for code, _, share in have if share >= _EVERYBODY]
        if len(everywhere) == 1:
            return everywhere[0], "the one where all students of these files have been enrolled"
        raise DataFault(f"several institutions could be meant: {told}{more}.", place=place, remedy="Say which with --institution.")

    def _tables(self) -> None:
        self.connection.execute(
            f"CREATE VIEW told AS SELECT {pseudonyms.text_sql('person')} AS student_id, student_id || '-' || \"year\" || '-' || programme AS enrolment_id, "
            f'"year" || \'-\' || ("year" + 1) AS cohort, {self.history.outcome_sql()} AS outcome, * EXCLUDE (person) FROM built'
        )
        also = {"school_grade": "grade AS school_grade", "years_in_ho": "years_in_ho"}
        extra = "".join(f", {also[name]}" for name in self.also)
        # In the order of pseudonyms: a place in the file would be a trace of the number.
        self._copy(
            "enrolments",
            "SELECT enrolment_id, student_id, cohort, programme, start_date, CAST(left_on AS DATE) AS left_on, prior_education, study_form, "
            f"level, gap_years{extra} FROM told ORDER BY enrolment_id",
        )
        if self._one("SELECT count(*) FROM built WHERE NOT running"):
            self._copy("outcomes", "SELECT enrolment_id, outcome FROM told WHERE outcome IS NOT NULL ORDER BY enrolment_id")
        if self.groups:
            listed = ", ".join(f"{quoted(name)} AS {column_name(name)}" for name in self.groups)
            self._copy(
                "groups", f'SELECT DISTINCT ON (student_id) student_id, {listed} FROM told ORDER BY student_id, "year" DESC, programme'
            )

    def _copy(self, name: str, sql: str) -> None:
        target = self.folder / f"{name}.parquet"
        with told(self.folder.parent):
            self.connection.execute(f"COPY ({sql}) TO {literal(target.as_posix())} (FORMAT parquet, COMPRESSION zstd)")

    def _cohorts(self) -> tuple[dict[str, Any], ...]:
        places = ", ".join(f"count(*) FILTER (WHERE destination = {literal(place)})" for place in DESTINATIONS)
        rows = self.connection.execute(
            f'SELECT "year", bool_or(running), count(*), {places} FROM built GROUP BY "year" ORDER BY "year"'
        ).fetchall()
        return tuple(
            {
                "label": f"{year}-{year + 1}",
                "closed": not running,
                "students": students,
                **({} if running else dict(zip(DESTINATIONS, counts, strict=True))),
            }
            for year, running, students, *counts in rows
        )
