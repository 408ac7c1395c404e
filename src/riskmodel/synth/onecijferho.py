"""A synthetic institution as DUO would deliver it: a 1cijferHO enrolment file with its layout, and what the student system adds. Nobody in it exists.

The outcomes are those of the generated tables. Beside them stands what the sector's rules must tell apart: second enrolments, exchange students,
university, designated institutions, deaths, diplomas, changes of form, and who came after 1 October or left before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from riskmodel.synth.settings import SynthSettings

INSTITUTION = "99XX"
LIST_OF_NUMBERS = "student_numbers.csv"
STUDENT_SYSTEM = "student-system"
FATES = "fates"
Layout = Sequence[tuple[str, int, int]]
# As in DUO's description of 2023; the reader takes positions from the description that is written beside the file.
LAYOUT: Layout = (
    ("Persoonsgebonden nummer", 1, 12),
    ("Inschrijvingsjaar", 13, 4),
    ("Instellingscode", 17, 4),
    ("Actuele instelling", 21, 4),
    ("Opleidingscode", 25, 5),
    ("Opleidingsvorm", 30, 1),
    ("Opleidingsfase", 31, 1),
    ("Maand vanaf", 32, 2),
    ("Code beëindiging", 34, 1),
    ("Maand tot", 35, 2),
    ("Soort hoger onderwijs", 46, 3),
    ("Opleiding actueel equivalent", 49, 5),
    ("Type hoger onderwijs binnen soort hoger onderwijs", 62, 2),
    ("Indicatie actief op peildatum", 65, 1),
    ("Soort inschrijving hoger onderwijs", 66, 1),
    ("Soort inschrijving soort ho", 67, 1),
    ("Soort inschrijving actuele opleiding-instelling", 71, 1),
    ("Indicatie eerstejaars actuele instelling", 79, 1),
    ("Indicatie eerstejaars actuele opl.-instelling", 80, 1),
    ("Eerste jaar in het hoger onderwijs", 81, 4),
    ("Hoogste vooropleiding vóór het HO", 106, 5),
    ("Diplomajaar van de hoogste vooropl. vóór het HO", 116, 4),
    ("Geslacht", 155, 1),
    ("Leeftijd per peildatum 1 oktober", 156, 3),
    ("Nationaliteit 1", 162, 4),
    ("Geboorteland", 174, 4),
    ("Postcodecijfers student op 1 oktober", 206, 4),
    ("Gem. eindcijfer VO van de hoogste vooropl. vóór het HO", 214, 3),
    ("Datum inschrijving", 226, 8),
    ("Datum uitschrijving", 234, 8),
    ("Burgerservicenummer", 306, 9),
    ("Onderwijsnummer", 315, 9),
)
_KEYS: Mapping[str, str] = {
    "person": "Persoonsgebonden nummer",
    "year": "Inschrijvingsjaar",
    "institution": "Actuele instelling",
    "programme": "Opleiding actueel equivalent",
    "form": "Opleidingsvorm",
    "phase": "Opleidingsfase",
    "month_from": "Maand vanaf",
    "end_code": "Code beëindiging",
    "month_to": "Maand tot",
    "domain": "Soort hoger onderwijs",
    "type": "Type hoger onderwijs binnen soort hoger onderwijs",
    "active": "Indicatie actief op peildatum",
    "kind": "Soort inschrijving hoger onderwijs",
    "first_institution": "Indicatie eerstejaars actuele instelling",
    "first_programme": "Indicatie eerstejaars actuele opl.-instelling",
    "first_ho": "Eerste jaar in het hoger onderwijs",
    "prior": "Hoogste vooropleiding vóór het HO",
    "prior_year": "Diplomajaar van de hoogste vooropl. vóór het HO",
    "gender": "Geslacht",
    "age": "Leeftijd per peildatum 1 oktober",
    "nationality": "Nationaliteit 1",
    "birth_country": "Geboorteland",
    "postcode": "Postcodecijfers student op 1 oktober",
    "grade": "Gem. eindcijfer VO van de hoogste vooropl. vóór het HO",
    "begin": "Datum inschrijving",
    "end": "Datum uitschrijving",
    "bsn": "Burgerservicenummer",
}
_SAME = {"Instellingscode": "institution", "Opleidingscode": "programme", "Soort inschrijving soort ho": "kind"}
_OUTSIDE, _UNIVERSITIES, _DESIGNATED = ("98AA", "98BB", "98CC"), ("97UA", "97UB"), "96DD"
# Nobody published how switches divide; these shares only see to it that each kind occurs.
_SWITCHES = {"switched_inside": 0.45, "switched_outside": 0.38, "university": 0.12, "same_programme_elsewhere": 0.05}
_STRAY = 0.2  # of those who drop out, how many have a row in the next year that does not count
_SECOND, _CHANGED_FORM, _TWICE = 0.06, 0.03, 0.03
_NOT_LISTED = 0.01
_YEARS_AFTER = 3
_PRIOR_CODES = {"havo": 204, "mbo": 301, "vwo": 405, "other": 502}
# Further people, as a share of the cohort: none of them is a first-year whose outcome counts.
_OTHERS = {"died": 0.004, "diploma": 0.006, "exchange": 0.01, "master": 0.01, "left_before": 0.01, "began_after": 0.01, "second_only": 0.01}
_LINES = 100_000
_LOOKED_AT = 20


def write_delivery(folder: Path, rows: pd.DataFrame, year: int, layout: Layout = LAYOUT, *, name: str | None = None) -> Path:
    """Write rows as a fixed-width file with its layout description beside it.

    Parameters
    ----------
    folder : Path
        Where to write.
    rows : pandas.DataFrame
        Text columns by the layout's names; a field without a column stays blank.
    year : int
        Year of the delivery, for the names of both files.
    layout : sequence of (name, start, length)
        Where fields stand; positions count from 1.
    name : str, optional
        The file's name; EV, the institution and the year by default.

    Returns
    -------
    Path
        The fixed-width file.
    """
    width = max(start + length - 1 for _, start, length in layout)
    path = folder / (name or f"EV{INSTITUTION}{year % 100:02d}.asc")
    with path.open("wb") as handle:
        for first in range(0, max(len(rows), 1), _LINES):
            part = rows.iloc[first : first + _LINES]
            lines = np.full((len(part), width + 2), ord(" "), dtype=np.uint8)
            lines[:, -2:] = (13, 10)
            for field, start, length in layout:
                if field in part:
                    cells = np.array([cell.encode("cp1252")[:length].ljust(length) for cell in part[field]], dtype=f"S{length}")
                    lines[:, start - 1 : start - 1 + length] = cells.view(np.uint8).reshape(len(part), length)
            handle.write(lines.tobytes())
    title = f"Bestandsbeschrijving 1cyferho_{year}_v1.0.asc"
    table = [f"{'':52}Startpositie  Aantal posities", *(f"{field:<57}{start:>4}{length:>14}" for field, start, length in layout)]
    text = [
        "",
        title,
        "=" * len(title),
        "",
        "Verzonnen gegevens: niemand in dit bestand bestaat.",
        "",
        "Lay-out bestand",
        "===============",
        *table,
        "",
        "",
    ]
    (folder / f"Bestandsbeschrijving_1cyferho_{year}_v1.0.txt").write_bytes("\r\n".join(text[1:]).encode("cp1252"))
    return path


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """Give rows with short column names (person, year, kind ...) as text under the layout's names."""
    told = {field: rows[key].astype(str) for key, field in _KEYS.items() if key in rows}
    told |= {field: rows[key].astype(str) for field, key in _SAME.items() if key in rows}
    if "isat" in rows:
        told["Opleidingscode"] = rows["isat"].astype(str)
    if "kind" in rows:
        told["Soort inschrijving actuele opleiding-instelling"] = rows["kind"].astype(str)
    return pd.DataFrame(told)


def write_1cho(folder: Path, settings: SynthSettings) -> None:
    """Turn a folder of generated tables into a delivery, a list of numbers and the tables that a student system adds.

    Parameters
    ----------
    folder : Path
        Holds the tables of `generate` as Parquet. Afterwards it holds `EV...asc` with its layout, `student_numbers.csv`, `student-system/` and `truth/`.
    settings : SynthSettings
        Those of the generated tables.
    """
    work = _Delivery(folder, settings)
    people = work.people()
    rows = pd.concat([work.own_rows(people), work.later_rows(people), *work.others()], ignore_index=True)
    rows = rows.sort_values(["person", "year", "kind"], ignore_index=True)
    last = settings.years[-1] + (1 if settings.closed else 0)
    write_delivery(folder, named(work.finished(rows[rows["year"] <= last])), last)
    work.write_numbers(people)
    work.write_truth(people)
    work.move_tables(people)


class _Delivery:
    def __init__(self, folder: Path, settings: SynthSettings) -> None:
        self.folder = folder
        self.settings = settings
        self.generator = np.random.default_rng([settings.seed, 7])
        self._taken: set[int] = set()
        self._other_people: list[pd.DataFrame] = []
        self.last = settings.years[-1] + (1 if settings.closed else 0)

    # --- people --------------------------------------------------------------------------------------------------------------------

    def people(self) -> pd.DataFrame:
        """Give one row per generated enrolment: whose it is, and where they go."""
        enrolments = pd.read_parquet(self.folder / "enrolments.parquet").reset_index(drop=True)
        outcomes = self.folder / "outcomes.parquet"
        known = pd.read_parquet(outcomes).set_index("enrolment_id")["outcome"] if outcomes.exists() else pd.Series(dtype="str")
        names = sorted(enrolments["programme"].unique())
        self.codes = {name: f"{34000 + 10 * place:05d}" for place, name in enumerate(names)}
        people = enrolments.assign(
            year=enrolments["cohort"].str[:4].astype(int),
            outcome=enrolments["enrolment_id"].map(known),
            code=enrolments["programme"].map(self.codes),
        )
        people["fate"] = people["outcome"].map({"continued": "continued", "dropped_out": "no_enrolment"})
        switched = people["outcome"] == "switched"
        people.loc[switched, "fate"] = self.generator.choice(list(_SWITCHES), switched.sum(), p=list(_SWITCHES.values()))
        self._take_along(people)
        first = people["first_of"].to_numpy()
        people["first_year"] = people["year"].to_numpy()[first]
        people["prior_year"] = people["first_year"] - 1 - people["gap_years"].to_numpy()[first].astype(int)
        people["student_id"] = people["student_id"].to_numpy()[first]
        people["person"] = self._numbers(len(people))[first]
        groups = pd.read_parquet(self.folder / "groups.parquet").set_index("student_id")
        people["gender"] = people["student_id"].map(groups["gender"]).map({"man": "M", "woman": "V"})
        abroad = people["student_id"].map(groups["migration_background"]) == "yes"
        people["birth_country"] = np.where(abroad, "5022", "6030")
        return people

    def _take_along(self, people: pd.DataFrame) -> None:
        """Let each switch inside the institution lead to a generated enrolment of the next cohort: the same person in another programme."""
        years, kinds, programmes, fates = (people[column].tolist() for column in ("year", "prior_education", "programme", "fate"))
        waiting: dict[tuple[int, str], list[int]] = {}
        for place in self.generator.permutation(len(people)).tolist():
            waiting.setdefault((years[place], kinds[place]), []).append(place)
        first_of = list(range(len(people)))
        for at in range(len(people)):  # oldest cohort first, so that a second switch finds whose the first was
            if fates[at] != "switched_inside" or years[at] == self.settings.years[-1]:
                continue
            queue = waiting.get((years[at] + 1, kinds[at]), [])
            nearest = range(len(queue) - 1, max(len(queue) - _LOOKED_AT, 0) - 1, -1)
            found = next((place for place in nearest if programmes[queue[place]] != programmes[at]), None)
            if found is None:
                fates[at] = "switched_outside"
            else:
                first_of[queue.pop(found)] = first_of[at]
        people["fate"], people["first_of"] = fates, first_of

    def _numbers(self, count: int) -> np.ndarray:
        """Give numbers of nine digits, each once, that fail the eleven-test, so that none is anybody's citizen service number."""
        numbers = np.empty(0, dtype=np.int64)
        while len(numbers) < count:
            drawn = self.generator.integers(100_000_000, 1_000_000_000, 2 * count + 10)
            digits = drawn[:, None] // 10 ** np.arange(8, -1, -1) % 10
            fails = (digits * np.array([9, 8, 7, 6, 5, 4, 3, 2, -1])).sum(axis=1) % 11 != 0
            fresh = np.array([number for number in drawn[fails] if number not in self._taken], dtype=np.int64)
            numbers = np.concatenate([numbers, pd.unique(fresh)])
            self._taken.update(int(number) for number in fresh)
        return numbers[:count].astype(str).astype(object)

    # --- rows ----------------------------------------------------------------------------------------------------------------------

    def own_rows(self, people: pd.DataFrame) -> pd.DataFrame:
        """Give the row of each generated enrolment, second enrolments beside it, and the two rows of who changed form during the year."""
        n = len(people)
        rows = self._rows_of(people)
        # Deregistering takes effect at the end of the next month, so that who stops in September is still enrolled on 1 October.
        left = pd.to_datetime(people["left_on"])
        ended = left + pd.offsets.MonthEnd(2)
        closing = pd.to_datetime((rows["year"] + 1).astype(str) + "-08-31")
        early = (left.notna() & (ended < closing)).to_numpy()
        rows["end"] = np.where(early, ended.dt.strftime("%Y%m%d"), closing.dt.strftime("%Y%m%d"))
        advised = (people["fate"].notna() & (people["fate"] != "continued")).to_numpy() & (self.generator.random(n) < 0.3)
        rows["end_code"] = np.where(early, self.generator.choice(["3", "9", "5"], n, p=[0.7, 0.2, 0.1]), np.where(advised, "4", ""))
        again = (people["first_of"] != np.arange(n)).to_numpy()
        rows["first_institution"] = np.where(again, "2", "1")
        people["left_in_file"] = pd.to_datetime(rows["end"]).where(early)
        beside = rows[self.generator.random(n) < _SECOND].copy()
        beside["programme"] = self._another(beside["programme"].to_numpy())
        beside["kind"], beside["first_programme"], beside["first_institution"] = "2", "3", "4"
        chosen = self.generator.random(n)
        twice = rows[(chosen < _TWICE) & ~early].copy()
        twice["kind"], twice["first_programme"], twice["first_institution"], twice["form"] = "4", "5", "5", "2"
        changes = (chosen >= _TWICE) & (chosen < _TWICE + _CHANGED_FORM) & ~early & (rows["year"] < self.last).to_numpy()
        second = rows[changes].copy()
        february = (second["year"] + 1).astype(str) + "0201"
        second["begin"], second["month_from"] = february, "02"
        second["kind"], second["active"], second["first_programme"], second["first_institution"] = "3", "4", "5", "5"
        second["form"] = np.where(second["form"] == "1", "2", "1")
        rows.loc[changes, "end"] = (rows.loc[changes, "year"] + 1).astype(str) + "0131"
        return pd.concat([rows, beside, twice, second], ignore_index=True)

    def _rows_of(self, people: pd.DataFrame) -> pd.DataFrame:
        start = pd.to_datetime(people["start_date"])
        associate = (people["level"] == "associate degree").to_numpy()
        return pd.DataFrame(
            {
                "person": people["person"].to_numpy(),
                "year": people["year"].to_numpy(),
                "institution": INSTITUTION,
                "programme": people["code"].to_numpy(),
                "form": np.where(people["study_form"] == "full-time", "1", "2"),
                "phase": "D",
                "domain": "hbo",
                "type": np.where(associate, "ad", "ba"),
                "active": "1",
                "kind": "1",
                "first_institution": "1",
                "first_programme": "1",
                "first_ho": people["first_year"].to_numpy(),
                "prior": people["prior_education"].map(_PRIOR_CODES).to_numpy(),
                "prior_year": people["prior_year"].to_numpy(),
                "gender": people["gender"].to_numpy(),
                "birth_country": people["birth_country"].to_numpy(),
                "begin": start.dt.strftime("%Y%m%d").to_numpy(),
                "month_from": start.dt.strftime("%m").to_numpy(),
                "end": "",
                "end_code": "",
            }
        )

    def _another(self, codes: np.ndarray) -> np.ndarray:
        """Give another programme of the institution for each."""
        every = np.array(sorted(self.codes.values()))
        place = np.searchsorted(every, codes.astype(every.dtype))
        return np.asarray(every[(place + self.generator.integers(1, len(every), len(codes))) % len(every)], dtype=object)

    def later_rows(self, people: pd.DataFrame) -> pd.DataFrame:
        """Give where people are in the years after; who switched inside already has a generated enrolment there."""
        parts = []
        base = self._rows_of(people)
        base["first_institution"] = base["first_programme"] = "2"
        base["phase"] = "B"
        for after in range(1, _YEARS_AFTER + 1):
            stays = base[(people["fate"] == "continued").to_numpy()].copy()
            stays = self._in_year(stays, after)
            if after == _YEARS_AFTER:
                stays["end_code"] = "1"
            parts.append(stays)
            if after == 1:
                extra = stays[self.generator.random(len(stays)) < _SECOND].copy()
                extra["institution"], extra["kind"], extra["first_programme"] = _OUTSIDE[0], "2", "3"
                parts.append(extra)
        moves = {
            "switched_outside": (_OUTSIDE, "hbo", 60000),
            "university": (_UNIVERSITIES, "wo", 50000),
            "same_programme_elsewhere": (_OUTSIDE, "hbo", 0),
        }
        for fate, (places, domain, code) in moves.items():
            gone = self._in_year(base[(people["fate"] == fate).to_numpy()].copy(), 1)
            gone["institution"] = self.generator.choice(places, len(gone))
            gone["domain"] = domain
            if code:
                gone["programme"] = (code + self.generator.integers(1, 40, len(gone))).astype(str)
            gone["first_institution"] = gone["first_programme"] = "1"
            parts.append(gone)
        if self.settings.closed:
            inside = (people["fate"] == "switched_inside").to_numpy() & (people["year"] == self.last - 1).to_numpy()
            moved = self._in_year(base[inside].copy(), 1)
            moved["programme"] = self._another(moved["programme"].to_numpy())
            moved["first_programme"] = "1"
            parts.append(moved)
        dropped = (people["fate"] == "no_enrolment").to_numpy() & (self.generator.random(len(people)) < _STRAY)
        parts.append(self._strays(people, self._in_year(base[dropped].copy(), 1)))
        return pd.concat(parts, ignore_index=True)

    def _in_year(self, rows: pd.DataFrame, after: int) -> pd.DataFrame:
        rows["year"] = rows["year"] + after
        rows["begin"] = rows["year"].astype(str) + "0901"
        rows["month_from"] = "09"
        rows["end"] = (rows["year"] + 1).astype(str) + "0831"
        return rows

    def _strays(self, people: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
        """Give rows in the year after dropping out that are no main enrolment: designated, after 1 October, not counting, exchange, second."""
        sort = self.generator.integers(0, 5, len(rows))
        rows["kind"] = np.array(["A", "3", "5", "6", "2"])[sort]
        rows["active"] = np.where(sort == 1, "3", "1")
        late = sort == 1
        rows.loc[late, "begin"] = (rows.loc[late, "year"] + 1).astype(str) + "0201"
        rows.loc[late, "month_from"] = "02"
        rows["institution"] = np.array([_DESIGNATED, INSTITUTION, INSTITUTION, _OUTSIDE[1], INSTITUTION])[sort]
        rows["first_programme"] = np.array(["1", "5", "5", "1", "4"])[sort]
        designated = set(rows.loc[sort == 0, "person"] + "-" + (rows.loc[sort == 0, "year"] - 1).astype(str))
        own = people["person"] + "-" + people["year"].astype(str)
        people.loc[own.isin(designated), "fate"] = "designated_institution"
        return rows

    def others(self) -> list[pd.DataFrame]:
        """Give the rows of people who are first-years with an outcome by no rule."""
        parts = []
        for year in self.settings.years:
            for sort, share in _OTHERS.items():
                count = max(1, round(self.settings.students * share))
                rows = self._strangers(year, count)
                people = rows[["person", "year", "programme"]].assign(fate=sort)
                self._other_people.append(people)
                parts += getattr(self, f"_{sort}")(rows, year)
        return parts

    def _strangers(self, year: int, count: int) -> pd.DataFrame:
        kinds = self.generator.choice(list(_PRIOR_CODES), count)
        return pd.DataFrame(
            {
                "person": self._numbers(count),
                "year": year,
                "institution": INSTITUTION,
                "programme": self.generator.choice(sorted(self.codes.values()), count).astype(object),
                "form": "1",
                "phase": "D",
                "domain": "hbo",
                "type": "ba",
                "active": "1",
                "kind": "1",
                "first_institution": "1",
                "first_programme": "1",
                "first_ho": year,
                "prior": [_PRIOR_CODES[kind] for kind in kinds],
                "prior_year": year - 1,
                "gender": self.generator.choice(["M", "V"], count),
                "birth_country": "6030",
                "begin": f"{year}0901",
                "month_from": "09",
                "end": f"{year + 1}0831",
                "end_code": "",
            }
        )

    def _died(self, rows: pd.DataFrame, year: int) -> list[pd.DataFrame]:
        # Every second one dies in September after the year, before 1 October: the row of that year tells.
        later = np.arange(len(rows)) % 2 == 1
        after = self._in_year(rows[later].copy(), 1).assign(kind="3", active="2", first_programme="5", end_code="8", end=f"{year + 1}0915")
        rows.loc[~later, "end_code"], rows.loc[~later, "end"] = "8", f"{year}1120"
        return [rows, after]

    def _diploma(self, rows: pd.DataFrame, year: int) -> list[pd.DataFrame]:
        rows["end_code"], rows["type"] = "1", "ad"
        after = self._in_year(rows.copy(), 1).assign(institution=_OUTSIDE[2], programme="60001", type="ba", end_code="")
        return [rows, after]

    def _exchange(self, rows: pd.DataFrame, year: int) -> list[pd.DataFrame]:
        return [rows.assign(kind="6", end=f"{year + 1}0131")]

    def _master(self, rows: pd.DataFrame, year: int) -> list[pd.DataFrame]:
        return [rows.assign(type="ma", phase="M", programme="70001", prior_year=year - 6)]

    def _left_before(self, rows: pd.DataFrame, year: int) -> list[pd.DataFrame]:
        return [rows.assign(kind="3", active="2", first_institution="5", first_programme="5", end_code="3", end=f"{year}0930")]

    def _began_after(self, rows: pd.DataFrame, year: int) -> list[pd.DataFrame]:
        after = {
            "kind": "3",
            "active": "3",
            "first_institution": "5",
            "first_programme": "5",
            "begin": f"{year + 1}0201",
            "month_from": "02",
        }
        return [rows.assign(**after)]

    def _second_only(self, rows: pd.DataFrame, year: int) -> list[pd.DataFrame]:
        main = rows.assign(institution=_OUTSIDE[1], programme="60002")
        return [rows.assign(kind="2", first_programme="3", first_institution="3"), main]

    def finished(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Fill in what hangs together with other fields, as it is written in the file."""
        n = len(rows)
        ends = rows["end"].astype(str)
        return rows.assign(
            bsn=rows["person"],
            prior=rows["prior"].map("{:05d}".format),
            month_to=ends.str[4:6],
            age=np.char.mod("%03d", np.clip(rows["year"] - rows["prior_year"] + 17, 17, 99).to_numpy()),
            nationality="0001",
            postcode=np.char.mod("%d", self.generator.integers(1000, 9999, n)),
            grade=np.where(
                rows["prior"].isin([_PRIOR_CODES["havo"], _PRIOR_CODES["vwo"]]),
                np.char.mod("%03d", self.generator.integers(58, 82, n)),
                "000",
            ),
        )

    # --- the rest ------------------------------------------------------------------------------------------------------------------

    def write_numbers(self, people: pd.DataFrame) -> None:
        """Write the list of person and student numbers that an institution has; a few students are not in it."""
        pairs = people[["person", "student_id"]].drop_duplicates("person")
        listed = pairs[self.generator.random(len(pairs)) >= _NOT_LISTED].sort_values("student_id")
        listed.columns = pd.Index(["Persoonsgebonden nummer", "Studentnummer"])
        listed.to_csv(self.folder / LIST_OF_NUMBERS, sep=";", index=False, lineterminator="\n")

    def write_truth(self, people: pd.DataFrame) -> None:
        """Write what became of whom, which tests alone read."""
        own = people[["person", "student_id", "year", "code", "outcome", "fate", "prior_education", "left_in_file"]].rename(
            columns={"code": "programme"}
        )
        own["gap_years"] = (people["year"] - people["prior_year"] - 1).astype(float)
        told = pd.concat([own, *self._other_people], ignore_index=True)
        told.to_parquet(self.folder / "truth" / f"{FATES}.parquet", index=False)

    def move_tables(self, people: pd.DataFrame) -> None:
        """Put what a student system adds into a folder of its own, by student number; the rest goes, since the delivery tells it."""
        known = pa.array(people["enrolment_id"])
        own = pa.array(people["student_id"] + "-" + people["year"].astype(str) + "-" + people["code"])
        place = self.folder / STUDENT_SYSTEM
        place.mkdir()
        for name in ("attendance", "results"):
            _renamed(self.folder / f"{name}.parquet", place / f"{name}.parquet", known, own)
        _renamed(self.folder / "truth" / "truth.parquet", self.folder / "truth" / "renamed.parquet", known, own)
        (self.folder / "truth" / "renamed.parquet").replace(self.folder / "truth" / "truth.parquet")
        for name in ("enrolments", "attendance", "results", "outcomes", "groups", "contacts", "coaches"):
            (self.folder / f"{name}.parquet").unlink(missing_ok=True)


def _renamed(source: Path, target: Path, known: pa.Array, own: pa.Array) -> None:
    """Write a table anew, in its own order, with each enrolment under its own id."""
    with pq.ParquetFile(source) as file:
        place = file.schema_arrow.get_field_index("enrolment_id")
        schema = file.schema_arrow.set(place, pa.field("enrolment_id", pa.string()))
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                ids = own.take(pc.index_in(table["enrolment_id"].cast(pa.string()).combine_chunks(), value_set=known))
                writer.write_table(table.set_column(place, "enrolment_id", ids.cast(pa.string())))
