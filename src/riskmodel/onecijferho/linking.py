"""Student numbers in the place of pseudonyms, from the institution's own list of person and student numbers. Shows no number and keeps no list."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import tomlkit

from riskmodel.contract.definition import FILE_NAME, Table, read_definition
from riskmodel.contract.reading import Unreadable, connect, literal, quoted, read_raw
from riskmodel.errors import DataFault
from riskmodel.files import atomic_folder
from riskmodel.onecijferho import pseudonyms
from riskmodel.onecijferho.faults import told
from riskmodel.onecijferho.fields import plain

_PERSON = ("persoonsgebondennummer", "pgn", "persoonsnummer", "personnumber", "person")
_STUDENT = ("studentnummer", "studentnumber", "studentnr", "studentid", "student")
_BATCH = 50_000
_TABLES = ("enrolments", "outcomes", "groups")


@dataclass(frozen=True)
class Linked:
    """What a linking found: students by how they fared, and rows of the list.

    Attributes
    ----------
    matched, unmatched : int
        Students of the folder who got their number now, and who keep their pseudonym.
    before : int
        Students who had their number already.
    contradicted : int
        Students of whom the list gives more than one number, or a number that it gives somebody else too; they keep their pseudonym.
    listed, unused, empty : int
        Rows of the list; those about nobody in the folder; those without one of both numbers.
    """

    matched: int
    unmatched: int
    before: int
    contradicted: int
    listed: int
    unused: int
    empty: int


def link(
    folder: Path, numbers: Path, key: Path, *, person_column: str | None = None, student_column: str | None = None, sheet: str | None = None
) -> Linked:
    """Write student numbers into a folder that `import_1cho` made.

    `student_id` becomes the student number, and `enrolment_id` STUDENTNUMBER-YEAR-PROGRAMME, so that rows of the student system can be matched to it. The folder
    is replaced whole or not at all. Students who were linked before stay as they are.

    Parameters
    ----------
    folder : Path
        The data folder.
    numbers : Path
        A table (CSV, Excel or Parquet) of person number and student number.
    key : Path
        The key that the import was made with.
    person_column, student_column : str, optional
        What the two columns are called; found out where they have a usual name.
    sheet : str, optional
        The sheet of an Excel file; the first by default.

    Raises
    ------
    DataFault
        The folder was not made by `import_1cho`, the table can't be read or lacks a column, or nobody in it matches.
    RiskModelError
        The key is missing or another one, or the folder can't be written.
    """
    definition = read_definition(folder)
    check = definition.imported.get("key_check")
    missing = [name for name in _TABLES if name in definition.tables and not (folder / f"{name}.parquet").exists()]
    if check is None or missing or not (folder / "enrolments.parquet").exists():
        raise DataFault(
            "this folder was not made by 'riskmodel data import-1cho'.", place=str(folder), remedy="Name the folder that the import wrote."
        )
    if not numbers.is_file():
        raise DataFault("there is no such file.", place=str(numbers), remedy="Name the table of person and student numbers.")
    secret = pseudonyms.read_key(key)
    if pseudonyms.key_check(secret) != check:
        raise DataFault("this is not the key that the import was made with.", place=str(key), remedy="Name that key with --key.")
    with tempfile.TemporaryDirectory(prefix="riskmodel-", ignore_cleanup_errors=True) as scratch, connect() as connection:
        connection.execute(f"SET temp_directory = {literal(Path(scratch).as_posix())}")
        listed, empty = _read_numbers(connection, numbers, Path(scratch), secret, person_column, student_column, sheet)
        linked = _match(connection, folder, numbers, listed, empty)
        with atomic_folder(folder, replace=True) as place, told(folder):
            _rewrite(connection, folder, place)
            _note(place, linked)
    return linked


def _read_numbers(
    connection: duckdb.DuckDBPyConnection,
    numbers: Path,
    scratch: Path,
    secret: bytes,
    person_column: str | None,
    student_column: str | None,
    sheet: str | None,
) -> tuple[int, int]:
    """Make `listed` (pseudonym, student number) of the list; give its rows, and those that lack one of both."""
    try:
        raw = read_raw(connection, numbers.absolute().parent, "numbers", Table(file=numbers.name, sheet=sheet), scratch)
    except Unreadable as error:
        what, remedy = error.finding.told()
        raise DataFault(what, place=str(numbers), remedy=remedy) from None
    person = _column(numbers, list(raw.columns), person_column, _PERSON, "--person-column")
    student = _column(numbers, list(raw.columns), student_column, _STUDENT, "--student-column")
    cells = ", ".join(f"nullif(trim(CAST({quoted(column)} AS VARCHAR)), '')" for column in (person, student))
    connection.execute("CREATE TABLE listed (student_id VARCHAR, number VARCHAR)")
    reader = connection.sql(f"SELECT {cells} FROM {raw.relation}").to_arrow_reader(_BATCH)
    rows = empty = 0
    with connection.cursor() as cursor:
        for batch in reader:
            pairs = [(one, other) for one, other in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)]
            whole = [(one, other) for one, other in pairs if one and pseudonyms.normal(one) and other]
            rows, empty = rows + len(pairs), empty + len(pairs) - len(whole)
            made = pa.table(
                {
                    "student_id": pa.array(pseudonyms.pseudonyms(secret, (one for one, _ in whole)), pa.string()),
                    "number": pa.array([other for _, other in whole], pa.string()),
                }
            )
            cursor.register("made", made)
            cursor.execute("INSERT INTO listed SELECT * FROM made")
            cursor.unregister("made")
    return rows, empty


def _column(numbers: Path, columns: Sequence[str], asked: str | None, usual: Sequence[str], option: str) -> str:
    wanted = (plain(asked),) if asked is not None else usual
    found = [column for column in columns if plain(column) in wanted]
    if len(found) != 1:
        what = "the column" if asked is not None else "a column with a usual name"
        told = "is not there" if not found else f"stands there more than once ({', '.join(found)})"
        raise DataFault(
            f"{what} for {option.removeprefix('--').removesuffix('-column')} numbers {told}; there are {', '.join(columns[:20])}.",
            place=str(numbers),
            remedy=f"Say with {option} what it is called.",
        )
    return found[0]


def _match(connection: duckdb.DuckDBPyConnection, folder: Path, numbers: Path, listed: int, empty: int) -> Linked:
    """Make `links` (pseudonym, student number), one to one."""
    enrolments = literal((folder / "enrolments.parquet").as_posix())
    connection.execute(f"CREATE TABLE students AS SELECT DISTINCT student_id FROM read_parquet({enrolments})")
    # One number for one student: whoever has two, or shares one, is left as they are; so is who would get the number of somebody linked before.
    connection.execute(
        "CREATE TABLE told AS SELECT student_id, min(number) AS number, count(DISTINCT number) AS numbers FROM listed GROUP BY student_id"
    )
    connection.execute(
        "CREATE TABLE shared AS SELECT number FROM listed GROUP BY number HAVING count(DISTINCT student_id) > 1 "
        "UNION SELECT student_id FROM students"
    )
    connection.execute(
        "CREATE TABLE found AS SELECT s.student_id, t.number, "
        "t.numbers = 1 AND t.number NOT IN (SELECT number FROM shared) AND position('-' IN t.number) = 0 AS good "
        "FROM students s JOIN told t USING (student_id)"
    )
    connection.execute("CREATE TABLE links AS SELECT student_id, number FROM found WHERE good")

    def count(sql: str) -> int:
        return int(connection.execute(sql).fetchall()[0][0])

    pseudonymous = f"starts_with(student_id, {literal(pseudonyms.PREFIX)})"
    waiting = count(f"SELECT count(*) FROM students WHERE {pseudonymous}")
    matched = count("SELECT count(*) FROM links")
    contradicted = count("SELECT count(*) FROM found WHERE NOT good")
    if not matched:
        remedy = (
            "Everybody is linked already."
            if not waiting
            else "Check that it holds the numbers of 1cijferHO's 'Persoonsgebonden nummer', for students of this institution."
        )
        raise DataFault(
            f"not one of the {waiting} students without a number is told in this list ({listed} rows).", place=str(numbers), remedy=remedy
        )
    return Linked(
        matched=matched,
        unmatched=waiting - matched,
        before=count(f"SELECT count(*) FROM students WHERE NOT {pseudonymous}"),
        contradicted=contradicted,
        listed=listed,
        unused=count("SELECT count(*) FROM listed WHERE student_id NOT IN (SELECT student_id FROM students)"),
        empty=empty,
    )


def _rewrite(connection: duckdb.DuckDBPyConnection, folder: Path, place: Path) -> None:
    """Write the tables that hold pseudonyms anew into `place`, and carry over everything else."""
    changed = {f"{name}.parquet" for name in _TABLES}
    for path in folder.iterdir():
        if path.is_dir():
            shutil.copytree(path, place / path.name, copy_function=_carry)
        elif path.name not in changed:
            _carry(path, place / path.name)
    for name in _TABLES:
        source = folder / f"{name}.parquet"
        if not source.exists():
            continue
        relation = f"read_parquet({literal(source.as_posix())})"
        columns = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]
        # An enrolment's id begins with its student's; a pseudonym has one hyphen, and the id two more.
        owner = "t.student_id" if "student_id" in columns else "regexp_extract(t.enrolment_id, '^(p-)?[^-]*')"
        told = {
            "student_id": "coalesce(l.number, t.student_id)",
            "enrolment_id": f"CASE WHEN l.number IS NULL THEN t.enrolment_id ELSE l.number || substr(t.enrolment_id, length({owner}) + 1) END",
        }
        listed = ", ".join(f"{told[column]} AS {column}" if column in told else f"t.{quoted(column)}" for column in columns)
        first = "enrolment_id" if "enrolment_id" in columns else "student_id"
        connection.execute(
            f"COPY (SELECT {listed} FROM {relation} t LEFT JOIN links l ON l.student_id = {owner} ORDER BY {first}) "
            f"TO {literal((place / source.name).as_posix())} (FORMAT parquet, COMPRESSION zstd)"
        )


def _carry(source: str | Path, target: str | Path) -> str:
    """Give a file a second place without copying it where the disk allows that."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return str(target)


def _note(place: Path, linked: Linked) -> None:
    """Write into `dataset.toml` how many students have their number; comments stay."""
    path = place / FILE_NAME
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    counted = {"linked": linked.before + linked.matched, "not_linked": linked.unmatched}
    document["imported"]["students"] = counted
    # The file may be one with that of the folder it came from: write beside it, and put that in its place.
    temporary = path.with_suffix(".new")
    temporary.write_text(tomlkit.dumps(document), encoding="utf-8", newline="\n")
    temporary.replace(path)
