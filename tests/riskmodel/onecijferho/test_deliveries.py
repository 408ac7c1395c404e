"""Enrolment files in every form in which they come, whole or broken: what is read, what is refused, and that no number of a person is kept or shown."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from riskmodel.contract.dataset import load_dataset
from riskmodel.contract.definition import read_definition
from riskmodel.contract.groups import read_groups
from riskmodel.errors import DataFault, RiskModelError
from riskmodel.features import build_features
from riskmodel.onecijferho import import_1cho
from riskmodel.onecijferho.fields import find
from riskmodel.onecijferho.history import Choices
from riskmodel.onecijferho.layout import read_layout
from riskmodel.onecijferho.pseudonyms import new_key, write_key
from riskmodel.onecijferho.report import report_lines
from riskmodel.synth.onecijferho import LAYOUT, named
from riskmodel.window import cut
from tests.riskmodel.onecijferho.deliveries import ELSEWHERE, HERE, LAW, deliver, everything_in, imported, later, read, row

ROWS = [
    row(1, 2020, prior="00204", prior_year=2019),
    later(1, 2021),
    row(2, 2020, prior="00301", prior_year=2015, form="2", begin="20200915"),
    row(3, 2020, prior="00405", end="20201130", end_code="3"),
    row(4, 2021, prior="00000", prior_year=0, type="ad", begin="00000000", month_from="09", grade="000"),
    row(5, 2021, prior="00502", prior_year=1900, programme=LAW),
    later(5, 2022, programme=LAW),
    row(6, 2022, prior="00801", prior_year=2022),
]
PERSONS = sorted({each["person"] for each in ROWS})
# The fields one after the other in another order, with three signs more before the first.
SHIFTED = tuple(
    (name, 4 + sum(length for _, _, length in reversed(LAYOUT[place + 1 :])), length) for place, (name, _, length) in enumerate(LAYOUT)
)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Give one key for all imports of a test, so that pseudonyms are the same."""
    write_key(tmp_path / "keys" / "pseudonyms.key", new_key())
    return tmp_path / "keys" / "pseudonyms.key"


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    return deliver(tmp_path / "in", ROWS)


def test_what_is_known_at_the_start_and_of_leaving_comes_from_the_fields_that_tell_it(delivery: Path, tmp_path: Path) -> None:
    done, built = imported(delivery, tmp_path / "out", institution=HERE)
    told = built.set_index(built["cohort"] + " " + built["prior_education"].fillna("?"))
    assert set(told.index) == {
        "2020-2021 havo", "2020-2021 mbo 4", "2020-2021 vwo", "2021-2022 ?", "2021-2022 other or foreign", "2022-2023 higher education",
    }  # fmt: skip
    # A diploma year of 2019 stands for the school year 2019-2020, so that who begins in 2020 has no gap.
    assert told["gap_years"].to_dict() == pytest.approx(
        {"2020-2021 havo": 0, "2020-2021 mbo 4": 4, "2020-2021 vwo": 0, "2021-2022 ?": float("nan"), "2021-2022 other or foreign": float("nan"),
         "2022-2023 higher education": 0}, nan_ok=True)  # fmt: skip
    assert str(told.loc["2020-2021 mbo 4", "start_date"])[:10] == "2020-09-15"
    assert str(told.loc["2021-2022 ?", "start_date"])[:10] == "2021-09-01"
    assert told.loc["2020-2021 mbo 4", "study_form"] == "part-time"
    assert told.loc["2021-2022 ?", "level"] == "associate degree"
    assert str(told.loc["2020-2021 vwo", "left_on"])[:10] == "2020-11-30"
    assert told["left_on"].notna().sum() == 1
    assert done.unknown == {"prior_education": 1, "gap_years": 2}


def test_the_folder_passes_the_check_without_a_warning_and_needs_no_other_table(delivery: Path, tmp_path: Path) -> None:
    imported(delivery, tmp_path / "out", institution=HERE)
    dataset = load_dataset(tmp_path / "out")
    assert not dataset.report.warnings
    frame = build_features(cut(dataset.tables, 56), dataset.definition)
    assert frame["prior_education"].value_counts().to_dict() == {"havo": 1, "mbo": 1, "vwo": 1, "other": 2}
    assert frame["gap_years"].notna().sum() == 4


def test_an_enrolment_ends_when_its_last_row_does_and_not_at_a_change_of_form(tmp_path: Path) -> None:
    rows = [
        row(1, 2020, end="20210131"),
        row(1, 2020, form="2", kind="3", active="4", first_programme="5", begin="20210201"),
        row(2, 2020, end="20210131"),
        row(2, 2020, form="2", kind="3", active="4", first_programme="5", begin="20210201", end="20210430"),
        row(3, 2020, end="00000000"),
        row(9, 2021),
    ]
    _, built = imported(deliver(tmp_path / "in", rows), tmp_path / "out", institution=HERE)
    left = built[built["cohort"] == "2020-2021"]["left_on"].dropna()
    assert [str(day)[:10] for day in left] == ["2021-04-30"]


def as_csv(folder: Path, rows: pd.DataFrame, *, encoding: str = "utf-8", headers: Callable[[str], str] = str) -> Path:
    folder.mkdir()
    told = rows.rename(columns=headers).apply(lambda column: column.str.strip())
    told.to_csv(folder / "EV21PN22.csv", sep=";", index=False, encoding=encoding)
    return folder / "EV21PN22.csv"


def snake(name: str) -> str:
    from riskmodel.onecijferho.fields import column_name

    return column_name(name)


@pytest.mark.parametrize(
    "form", ["shifted", "csv", "csv in cp1252", "csv with snake names", "parquet of numbers", "trimmed", "newlines alone", "a folder"]
)
def test_every_form_of_a_delivery_gives_the_same_folder(form: str, delivery: Path, tmp_path: Path, key: Path) -> None:
    _, expected = imported(delivery, tmp_path / "out", institution=HERE, key=key)
    table = named(pd.DataFrame(ROWS))
    place = tmp_path / "other"
    if form == "shifted":
        file = deliver(place, ROWS, layout=SHIFTED)
        assert file.read_bytes()[:12] != delivery.read_bytes()[:12]
    elif form == "csv":
        file = as_csv(place, table)
    elif form == "csv in cp1252":
        file = as_csv(place, table, encoding="cp1252")
    elif form == "csv with snake names":
        file = as_csv(place, table, headers=snake)
    elif form == "parquet of numbers":
        # Some tools turn codes into numbers, which costs them their leading zeros.
        place.mkdir()
        file = place / "EV21PN22.parquet"
        whole = [column for column in table if table[column].str.fullmatch(r"\d+").all()]
        table.astype(dict.fromkeys(whole, "int64")).to_parquet(file)
    elif form == "trimmed":
        file = deliver(place, [{name: value for name, value in each.items() if name != "bsn"} for each in ROWS])
        file.write_bytes(b"\r\n".join(line.rstrip() for line in file.read_bytes().split(b"\r\n")))
    elif form == "newlines alone":
        file = deliver(place, ROWS)
        file.write_bytes(file.read_bytes().replace(b"\r\n", b"\n").rstrip(b"\n"))
    else:
        deliver(place, ROWS)
        file = place
    _, built = imported(file, tmp_path / "other-out", institution=HERE, key=key)
    pd.testing.assert_frame_equal(built, expected)


def test_signs_of_windows_1252_in_a_field_that_is_not_read_shift_nothing(delivery: Path, tmp_path: Path, key: Path) -> None:
    _, expected = imported(delivery, tmp_path / "out", institution=HERE, key=key)
    lines = delivery.read_bytes().split(b"\r\n")
    delivery.write_bytes(b"\r\n".join(line[:40] + "é€…“".encode("cp1252") + line[44:] if line else line for line in lines) + b"\x1a")
    _, built = imported(delivery, tmp_path / "other-out", institution=HERE, key=key)
    pd.testing.assert_frame_equal(built, expected)


DESCRIPTION = """Bestandsbeschrijving 1cyferho_2023_v1.1.asc
==========================================
De inschrijvingsjaren 2021 t/m 2023 zijn afkomstig van 1 december 2023   12   4

Lay-out bestand
===============
                                                    Startpositie  Aantal posities
Persoonsgebonden nummer                                    1            12
Code beëindiging                                          34             1
Indicatie eerstejaars actuele opl.-instelling             80             1
Hoogste vooropleiding vóór het HO                        106             5
Hoogste vooropleiding vóór het HO oorspronkelijke code   111             5
Etniciteit                                               186             2 (*)

(*) Niet gevuld.
Vestigingsnummer                                         242             2
"""


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig"])
def test_a_layout_is_its_table_and_names_are_known_however_they_are_written(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "Bestandsbeschrijving_1cyferho_2023_v1.1.txt"
    path.write_text(DESCRIPTION, encoding=encoding)
    layout = read_layout(path)
    assert list(layout.places.values()) == [(1, 12), (34, 1), (80, 1), (106, 5), (111, 5), (186, 2)]
    assert layout.width == 187
    assert layout.place("code_beeindiging") == (34, 1)
    assert layout.place("Indicatie eerstejaars actuele opleiding-instelling") == (80, 1)
    assert layout.place("Hoogste vooropleiding vóór het hoger onderwijs") == (106, 5)
    assert layout.place("Opleidingsvorm") is None


def test_names_whose_accents_were_mangled_are_known_all_the_same() -> None:
    names = [
        "Code beÃ«indiging",
        "Hoogste vooropleiding v\ufffd\ufffdr het HO",
        "Hoogste vooropleiding v\ufffd\ufffdr het HO oorspronkelijke code",
    ]
    assert find("Code beëindiging", names) == names[0]
    assert find("Hoogste vooropleiding vóór het HO", names) == names[1]


def test_a_layout_that_is_named_among_the_files_serves_as_one(delivery: Path, tmp_path: Path) -> None:
    path = layout_of(delivery)
    (tmp_path / "elsewhere").mkdir()
    moved = path.rename(tmp_path / "elsewhere" / path.name)
    done, _ = imported([delivery, moved], tmp_path / "out", institution=HERE)
    assert [each["file"] for each in done.files] == [delivery.name]


# --- which institution -------------------------------------------------------------------------------------------------------------------


def test_the_institution_where_every_student_has_been_is_found_out(tmp_path: Path) -> None:
    rows = [*ROWS, row(2, 2021, institution=ELSEWHERE), row(3, 2021, institution="27PZ")]
    done, _ = imported(deliver(tmp_path / "in", rows), tmp_path / "out")
    assert done.institution == HERE


def test_where_several_institutions_could_be_meant_they_are_told_with_their_counts(tmp_path: Path) -> None:
    rows = [*ROWS, row(20, 2020, institution=ELSEWHERE), row(21, 2020, institution=ELSEWHERE)]
    file = deliver(tmp_path / "in", rows)
    with pytest.raises(
        DataFault, match=r"several institutions could be meant: 21PN \(6 first-years, 75 %.*25BA \(2 first-years, 25 %.*--institution"
    ):
        imported(file, tmp_path / "out")
    done, built = imported(file, tmp_path / "out", institution=ELSEWHERE.lower())
    assert done.institution == ELSEWHERE
    assert len(built) == 2
    with pytest.raises(DataFault, match="99ZZ has no first-years in these files; these have: 21PN"):
        imported(file, tmp_path / "none", institution="99ZZ")


# --- several deliveries ------------------------------------------------------------------------------------------------------------------


def test_the_newest_delivery_wins_and_what_it_replaced_is_counted(tmp_path: Path, key: Path) -> None:
    newest = [row(1, 2020), row(1, 2021, institution=ELSEWHERE), row(2, 2020), later(2, 2021), row(3, 2021), row(4, 2022)]
    # The older one thought that the first student stayed, and holds one whom the newer no longer knows.
    older = [row(1, 2020), later(1, 2021), row(2, 2020), later(2, 2021), row(3, 2021), row(6, 2020), later(6, 2021), row(7, 2021)]
    files = [deliver(tmp_path / "2021", older), deliver(tmp_path / "2022", newest)]
    done, built = imported(files, tmp_path / "out", institution=HERE, key=key)
    first = built[built["cohort"] == "2020-2021"]
    assert first["outcome"].value_counts().to_dict() == {"continued": 2, "switched": 1}
    assert done.left_out["rows of an older delivery that a newer one replaced"] == 5
    assert done.left_out["first-years: an older delivery ends there, and no newer one holds them"] == 1
    assert [each["delivery"] for each in done.files] == [2021, 2022]
    _, again = imported(files[::-1], tmp_path / "again", institution=HERE, key=key)
    pd.testing.assert_frame_equal(built, again)


def test_a_file_that_is_given_twice_changes_nothing_but_a_count(delivery: Path, tmp_path: Path, key: Path) -> None:
    _, expected = imported(delivery, tmp_path / "out", institution=HERE, key=key)
    second = deliver(tmp_path / "copy", ROWS)
    done, built = imported([delivery, second], tmp_path / "both", institution=HERE, key=key)
    pd.testing.assert_frame_equal(built, expected)
    assert done.left_out["first-year enrolments that stand more than once"] == 6


def test_cohorts_of_long_ago_can_be_left_out_and_are_counted(delivery: Path, tmp_path: Path) -> None:
    done, built = imported(delivery, tmp_path / "out", institution=HERE, choices=Choices(since=2021))
    assert set(built["cohort"]) == {"2021-2022", "2022-2023"}
    assert done.left_out["first-years of before 2021"] == 3


# --- persons -----------------------------------------------------------------------------------------------------------------------------


def test_no_person_number_is_kept_in_the_folder_or_told(delivery: Path, tmp_path: Path) -> None:
    done, _ = imported(delivery, tmp_path / "out", institution=HERE, groups=["Geslacht"])
    held = everything_in(tmp_path / "out") + "\n".join(report_lines(done)) + repr(done)
    assert "geslacht" in held
    assert not [person for person in PERSONS if person in held]
    key = (tmp_path / "keys" / "pseudonyms.key").read_text(encoding="ascii").strip()
    assert len(key) == 64
    assert key not in held


def test_pseudonyms_depend_on_the_key_and_on_nothing_but_the_number(delivery: Path, tmp_path: Path, key: Path) -> None:
    _, one = imported(delivery, tmp_path / "one", institution=HERE, key=key)
    _, same = imported(delivery, tmp_path / "same", institution=HERE, key=key)
    _, other = imported(delivery, tmp_path / "other", institution=HERE, key=tmp_path / "another.key")
    assert set(one["student_id"]) == set(same["student_id"])
    assert not set(one["student_id"]) & set(other["student_id"])
    assert one["student_id"].str.fullmatch("p-[0-9a-f]{30}").all()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such rights")
def test_a_new_key_can_be_read_by_its_owner_alone(delivery: Path, tmp_path: Path) -> None:
    done, _ = imported(delivery, tmp_path / "out", institution=HERE)
    assert done.new_key
    assert stat.S_IMODE((tmp_path / "keys" / "pseudonyms.key").stat().st_mode) == 0o600


def test_a_key_inside_the_folder_it_protects_and_a_file_that_is_no_key_are_refused(delivery: Path, tmp_path: Path) -> None:
    with pytest.raises(RiskModelError, match="may not lie in the data folder"):
        import_1cho([delivery], tmp_path / "out", tmp_path / "out" / "key", institution=HERE)
    (tmp_path / "letter.txt").write_text("dear reader", encoding="utf-8")
    with pytest.raises(RiskModelError, match="holds no key"):
        import_1cho([delivery], tmp_path / "out", tmp_path / "letter.txt", institution=HERE)
    assert not (tmp_path / "out").exists()


def test_sensitive_fields_are_not_read_unless_asked_for_and_then_stand_in_groups_alone(delivery: Path, tmp_path: Path, key: Path) -> None:
    _, plain = imported(delivery, tmp_path / "plain", institution=HERE, key=key)
    assert "groups" not in read_definition(tmp_path / "plain").tables
    # A layout that does not name them will do: nothing else depends on them.
    without = tuple(each for each in LAYOUT if each[0] not in ("Geslacht", "Leeftijd per peildatum 1 oktober", "Burgerservicenummer"))
    blind = deliver(tmp_path / "blind", [{**each, "grade": "070"} for each in ROWS], layout=(*without, ("Vulling", 306, 18)))
    imported(blind, tmp_path / "blind-out", institution=HERE, key=key)
    _, asked = imported(delivery, tmp_path / "asked", institution=HERE, key=key, groups=["geslacht", "Leeftijd per peildatum 1 oktober"])
    pd.testing.assert_frame_equal(asked, plain)
    groups = read_groups(tmp_path / "asked", read_definition(tmp_path / "asked"))
    assert list(groups.columns) == ["student_id", "geslacht", "leeftijd_per_peildatum_1_oktober"]
    assert set(groups["geslacht"]) == {"V"}
    assert set(groups["student_id"]) == set(plain["student_id"])
    assert not load_dataset(tmp_path / "asked").report.warnings


@pytest.mark.parametrize("field", ["Burgerservicenummer", "Persoonsgebonden nummer", "Opleidingsvorm", "nothing of the kind"])
def test_no_other_field_can_be_had_for_groups(field: str, delivery: Path, tmp_path: Path) -> None:
    with pytest.raises(DataFault, match="is no field for groups"):
        imported(delivery, tmp_path / "out", institution=HERE, groups=[field])


def test_further_columns_become_declared_signals_where_they_are_asked_for(delivery: Path, tmp_path: Path) -> None:
    imported(delivery, tmp_path / "out", institution=HERE, also=["school_grade", "years_in_ho"])
    dataset = load_dataset(tmp_path / "out")
    assert [extra.name for extra in dataset.definition.extra] == ["school_grade", "years_in_ho"]
    frame = build_features(cut(dataset.tables, 56), dataset.definition)
    assert sorted(frame["extra_school_grade"].dropna()) == pytest.approx([6.7] * 5)
    assert set(frame["extra_years_in_ho"]) == {0.0}


# --- bad input ---------------------------------------------------------------------------------------------------------------------------


def layout_of(file: Path) -> Path:
    return next(file.parent.glob("Bestandsbeschrijving*.txt"))


def without_layout(file: Path) -> str:
    layout_of(file).unlink()
    return "there is no layout description beside this file.*--layout"


def layout_without_table(file: Path) -> str:
    layout_of(file).write_text("Bestandsbeschrijving\n\nzie bijlage\n", encoding="utf-8")
    return "no table with 'Startpositie'"


def layout_lacking_a_field(file: Path) -> str:
    path = layout_of(file)
    path.write_text("\n".join(line for line in path.read_text(encoding="cp1252").splitlines() if "Code be" not in line), encoding="cp1252")
    return "the field 'Code beëindiging' is not there"


def layout_of_another_year(file: Path) -> str:
    path = layout_of(file)
    path.write_text(
        path.read_text(encoding="cp1252")
        .replace("Onderwijsnummer        ", "Onderwijsnummer")
        .replace("315             9", "315            18"),
        encoding="cp1252",
    )
    lines = file.read_bytes().split(b"\r\n")
    file.write_bytes(b"\r\n".join(line + b"0" * 20 if line else line for line in lines))
    return r"its lines hold 343 positions, and .* describes 332: that is another delivery's layout"


def layout_that_is_shifted(file: Path) -> str:
    path = layout_of(file)
    text = path.read_text(encoding="cp1252").splitlines()
    moved = [line.replace("  66  ", "  67  ") if line.startswith("Soort inschrijving hoger") else line for line in text]
    moved = [line.replace("  13  ", "  14  ") if line.startswith("Inschrijvingsjaar") else line for line in moved]
    path.write_text("\n".join(moved), encoding="cp1252")
    return r"12 of the 12 lines read so far hold no code where one is expected: 'Inschrijvingsjaar' \(line 1\)".replace(
        "12", str(len(ROWS))
    )


def cut_off(file: Path) -> str:
    file.write_bytes(file.read_bytes()[:-200])
    return rf"line {len(ROWS)} ends at position \d+, where 241 are needed"


def glued(file: Path) -> str:
    file.write_bytes(file.read_bytes().replace(b"\r\n", b"", 1))
    return "line 1 holds 646 positions"


def empty(file: Path) -> str:
    file.write_bytes(b"")
    return "this file is empty"


def zipped(file: Path) -> str:
    import zipfile

    raw = file.read_bytes()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("EV.asc", raw)
    return "this is an Excel or zip file"


def utf8(file: Path) -> str:
    lines = file.read_bytes().split(b"\r\n")
    file.write_bytes(b"\r\n".join(line[:40] + "é".encode() + line[41:] if line else line for line in lines))
    return "saved as UTF-8"


def utf8_now_and_then(file: Path) -> str:
    lines = file.read_bytes().split(b"\r\n")
    lines[2] = lines[2][:40] + "é".encode() + lines[2][41:]
    file.write_bytes(b"\r\n".join(lines))
    return r"saved as UTF-8.*\(line 3\)"


def utf16(file: Path) -> str:
    file.write_bytes(file.read_bytes().decode("cp1252").encode("utf-16"))
    return "saved as UTF-16"


def another_kind_of_text(file: Path) -> str:
    file.write_text("".join(f"{place:05d} code van iets anders{'.' * 294}\n" for place in range(20)), encoding="ascii")
    return "hold no code where one is expected"


@pytest.mark.parametrize(
    "spoil",
    [without_layout, layout_without_table, layout_lacking_a_field, layout_of_another_year, layout_that_is_shifted, cut_off, glued, empty, zipped, utf8,
     utf8_now_and_then, utf16, another_kind_of_text],
)  # fmt: skip
def test_a_broken_delivery_is_one_clear_fault_that_shows_no_number_and_leaves_nothing(
    spoil: Callable[[Path], str], delivery: Path, tmp_path: Path
) -> None:
    told = spoil(delivery)
    with pytest.raises(DataFault, match=told) as fault:
        imported(delivery, tmp_path / "out", institution=HERE)
    assert fault.value.remedy
    assert fault.value.place
    assert not [person for person in PERSONS if person in str(fault.value)]
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


def csv_with_a_column_too_many(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[3] += ";1"
    file.write_text("\n".join(lines), encoding="utf-8")
    return "line 4 has 27 columns where the first has 26"


def csv_after_decoding(file: Path) -> str:
    text = file.read_text(encoding="utf-8").splitlines()
    table = pd.read_csv(file, sep=";", dtype=str, keep_default_na=False)
    table["Soort inschrijving hoger onderwijs"] = "hoofdinschrijving binnen het domein hoger onderwijs"
    table.to_csv(file, sep=";", index=False)
    assert len(text) == len(ROWS) + 1
    return r"'Soort inschrijving hoger onderwijs' \(line 2\).*before decoding"


def csv_of_something_else(file: Path) -> str:
    file.write_text("a;b\n1;2\n", encoding="utf-8")
    return "names none of the fields"


def csv_without_a_field(file: Path) -> str:
    pd.read_csv(file, sep=";", dtype=str).drop(columns="Inschrijvingsjaar").to_csv(file, sep=";", index=False)
    return "the field 'Inschrijvingsjaar' is not there"


def csv_with_a_header_alone(file: Path) -> str:
    file.write_text(file.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    return "holds no rows"


@pytest.mark.parametrize(
    "spoil", [csv_with_a_column_too_many, csv_after_decoding, csv_of_something_else, csv_without_a_field, csv_with_a_header_alone]
)
def test_a_broken_conversion_is_one_clear_fault_that_shows_no_number(spoil: Callable[[Path], str], tmp_path: Path) -> None:
    file = as_csv(tmp_path / "in", named(pd.DataFrame(ROWS)))
    told = spoil(file)
    with pytest.raises(DataFault, match=told) as fault:
        imported(file, tmp_path / "out", institution=HERE)
    assert not [person for person in PERSONS if person in str(fault.value)]
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


def test_a_few_rows_that_hold_no_code_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [row(person, 2020) for person in range(1, 400)] + [row(400, 2020, kind="?"), row(401, 2021)]
    done, built = imported(deliver(tmp_path / "in", rows), tmp_path / "out", institution=HERE)
    assert done.files[0]["unreadable"] == 1
    assert len(built) == 400


def test_two_layouts_that_fit_and_differ_are_asked_about_and_one_can_be_named(delivery: Path, tmp_path: Path, key: Path) -> None:
    _, expected = imported(delivery, tmp_path / "out", institution=HERE, key=key)
    right = layout_of(delivery)
    other = right.with_name("Bestandsbeschrijving_1cyferho_2019_v1.0.txt")
    other.write_text(right.read_text(encoding="cp1252").replace("116             4", "120             4"), encoding="cp1252")
    with pytest.raises(DataFault, match="all fit this file and differ"):
        imported(delivery, tmp_path / "asked", institution=HERE, key=key)
    imported(delivery, tmp_path / "named", institution=HERE, key=key, layouts=[right])
    pd.testing.assert_frame_equal(read(tmp_path / "named"), expected)


def test_nothing_is_overwritten(delivery: Path, tmp_path: Path) -> None:
    imported(delivery, tmp_path / "out", institution=HERE)
    before = everything_in(tmp_path / "out")
    with pytest.raises(RiskModelError, match="something stands there already"):
        imported(delivery, tmp_path / "out", institution=HERE)
    assert everything_in(tmp_path / "out") == before
