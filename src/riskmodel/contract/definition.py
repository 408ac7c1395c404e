"""`dataset.toml` as typed objects: what this institution's tables are called, mean, and may be used for."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from riskmodel.errors import ConfigurationFault

FILE_NAME = "dataset.toml"
DEFAULT_LANDMARKS = (14, 28, 42, 56, 70, 84, 100)
TABLE_NAMES = ("enrolments", "attendance", "results", "outcomes", "groups", "contacts", "coaches")
GradeStatus = Literal["passed", "failed", "exempt", "absent"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]

# Words by which a sensitive attribute may be called: as a whole name or as a part of it between underscores, spaces or capitals.
SENSITIVE_WORDS = frozenset(
    """
    sex gender geslacht sekse sexe m_v man_vrouw age leeftijd age_band dob birthdate birthday date_of_birth birth_date birth_year
    geboortedatum gebdatum geboortejaar nationality nationaliteit citizenship migration migratie migratieachtergrond migrant origin
    country_of_birth geboorteland generatie westers westerse nietwesters nietwesterse ethnicity etniciteit race thuistaal moedertaal taalachtergrond
    disability disabled impairment special_needs handicap functiebeperking beperking dyslexie dyslexia adhd autisme autism
    first_generation first_gen eerste_generatie eerstegeneratie religion religie geloof godsdienst burgerlijke_staat marital_status
    deprivation imd_band postcode postal_code
    """.split()  # noqa: SIM905 - read as a text
)
# Parts that occur in no other word of a student register, and so betray a sensitive attribute wherever they stand.
_SENSITIVE_STEMS = (
    "geslacht", "gender", "nationalit", "migratieacht", "migrant", "immigra", "allochto", "autochto", "etnic", "etnisch", "ethnic", "herkomst", "geboorte", "gebdat",
    "birth", "leeftijd", "handicap", "functiebeperk", "chronischziek", "chronischeziek", "dyslexi", "disabilit", "eerstegeneratie", "firstgeneration",
    "zwanger", "pregnan", "seksue", "sexual",
)  # fmt: skip
# What parents learnt has many names: a word for a parent beside one for education or means.
_PARENT = re.compile(r"(?<![a-z])(ouder|vader|moeder|parent|mother|father)(s|al)?(?![a-z])|(?<!h)ouders(?![a-z])")
_PARENTS_MEANS = re.compile(r"opleiding|onderwijs|diploma|gestudeerd|education|degree|schooling|inkomen|income|beroep|occupation")


def is_sensitive_name(column: str) -> bool:
    """Tell whether a column's name says that it holds a sensitive attribute (sex, age, nationality, background, disability, parents' education)."""
    separated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.strip())
    parts = re.sub(r"[^a-z]+", "_", separated.lower()).strip("_")
    whole = parts.replace("_", "")
    return (
        any(f"_{word}_" in f"_{parts}_" for word in SENSITIVE_WORDS)
        or any(stem in whole for stem in _SENSITIVE_STEMS)
        or (_PARENT.search(parts) is not None and _PARENTS_MEANS.search(parts) is not None)
    )


# Two values that a column of somebody's sex holds, whatever it is called.
_SEXES = ({"m", "v"}, {"m", "f"}, {"man", "vrouw"}, {"male", "female"}, {"man", "woman"})


def are_sexes(values: Iterable[str]) -> bool:
    """Tell whether the values of a category are those of a person's sex."""
    told = {value.strip().lower() for value in values}
    return any(pair <= told for pair in _SEXES)


UNSAID = "?"


def is_unsaid(text: str) -> bool:
    """Tell whether a text that nobody can find out but the institution still waits to be written."""
    return text.strip() in ("", UNSAID)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cohort(_Part):
    """An intake: enrolments that start together and whose outcomes become known together."""

    label: str
    start: dt.date
    closed: bool = False
    outcome_on: dt.date | None = None


class OutcomeDefinition(_Part):
    """What counts as leaving, said out loud because sources differ."""

    measured_on: str = Field(description="The date or rule by which the outcome is established, e.g. '1 October of the next year'.")
    switch_inside_counts: bool = Field(description="Whether changing programme inside the institution counts as a switch.")
    early_leavers_count: bool = Field(description="Whether those who leave before the first landmark count in the base rate told.")
    note: str = ""


_GRADE_WORDS: dict[str, GradeStatus] = {
    "V": "passed", "O": "failed", "G": "passed", "VR": "exempt", "NVD": "absent", "VLD": "passed", "NA": "absent", "AFW": "absent",
}  # fmt: skip
_PRIOR_KINDS: dict[str, dict[Literal["nl", "en"], str]] = {
    "havo": {"nl": "havo", "en": "havo (senior general secondary)"},
    "mbo": {"nl": "mbo", "en": "mbo (vocational)"},
    "vwo": {"nl": "vwo", "en": "vwo (pre-university)"},
    "other": {"nl": "een andere vooropleiding", "en": "another prior education"},
}


class GradeScale(_Part):
    """How a grade is read: numbers between two ends with a pass mark, and words that stand for a status and never for a number."""

    minimum: float = 1.0
    maximum: float = 10.0
    pass_mark: float = 5.5
    words: dict[str, GradeStatus] = Field(default_factory=lambda: dict(_GRADE_WORDS))

    @model_validator(mode="after")
    def _ordered(self) -> GradeScale:
        if not self.minimum < self.pass_mark <= self.maximum:
            raise ValueError("the pass mark must lie above the minimum and not above the maximum")
        return self


class PriorEducation(_Part):
    """The kinds of prior education told apart here, what the institution's own values mean, and whether the model may see it."""

    use: bool = True
    kinds: dict[str, dict[Literal["nl", "en"], str]] = Field(default_factory=lambda: dict(_PRIOR_KINDS))
    values: dict[str, str] = Field(default_factory=dict, description="An institution's own value, and the kind it stands for.")


class Delays(_Part):
    """Days between a row's date and the day on which the institution can know it, for tables without `known_on`."""

    attendance: int = Field(default=1, ge=0)
    results: int = Field(default=10, ge=0)
    leaving: int = Field(default=14, ge=0)
    extra: int = Field(default=1, ge=0)


class Table(_Part):
    """Where a table lies and what its columns and values are called there."""

    file: str
    sheet: str | None = None
    columns: dict[str, str] = Field(
        default_factory=dict, description="Canonical name = the name in the file; others carry their canonical name."
    )
    values: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="Per canonical column: the file's value = the canonical value; '' stands for a missing one."
    )
    constants: dict[str, str] = Field(
        default_factory=dict, description="Canonical columns that the file lacks because every row has the same value."
    )
    delimiter: str | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    date_format: str | None = None


class Label(_Part):
    """A text in Dutch and in English."""

    nl: str
    en: str


class ExtraColumn(_Part):
    """A signal of the institution's own: a column on enrolments, or dated rows in a table of its own.

    Without a justification it is refused: whoever adds a signal says why it may be used.
    """

    name: Name
    kind: Literal["number", "flag", "category"] = "number"
    source: Literal["enrolment", "dated"]
    column: str = Field(description="The column in the file that holds the value.")
    table: Table | None = Field(
        default=None, description="For dated rows: the file, with `enrolment_id`, `date` and perhaps `known_on` mapped."
    )
    aggregate: tuple[Literal["sum", "sum_recent", "mean", "last", "count", "days_since"], ...] = ("sum",)
    compare: bool = Field(default=False, description="For dated rows: also tell the value against the programme's own median.")
    no_rows: Literal["unknown", "zero"] = Field(
        default="unknown",
        description="For dated rows: what a student without any row stands for. 'zero' fits a table of events, such as visits to the library.",
    )
    transform: Literal["none", "log1p"] = "none"
    categories: tuple[str, ...] = ()
    unit: str = ""
    known_from_day: int = Field(default=0, ge=0, description="Day since the start from which a column on enrolments is known.")
    direction: Literal["up", "down", "none"] = Field(default="none", description="Which way the risk may go as the value goes up.")
    actionable: bool = False
    label: Label
    phrase: Label
    justification: str

    @field_validator("justification")
    @classmethod
    def _says_why(cls, text: str) -> str:
        if len(text.strip()) < 10:
            raise ValueError("a signal without a justification is refused: say in a sentence why it may be used")
        return text

    @field_validator("phrase")
    @classmethod
    def _figures_that_exist(cls, phrase: Label) -> Label:
        for text in (phrase.nl, phrase.en):
            names = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
            if names - {"value", "programme", "label"}:
                raise ValueError("a phrase may hold {value}, {programme} (with compare = true) and {label}, and no other braces")
        return phrase

    @model_validator(mode="after")
    def _complete(self) -> ExtraColumn:
        for told in (self.name, self.column, self.label.nl, self.label.en):
            if is_sensitive_name(told):
                raise ValueError(f"'{told}' is a sensitive attribute and can't be a feature; it belongs in the groups table")
        if are_sexes(self.categories):
            raise ValueError(
                f"the values of '{self.column}' are those of a person's sex, which can't be a feature; it belongs in the groups table"
            )
        if self.source == "dated" and self.table is None:
            raise ValueError("dated rows need a [extra.table] with the file they lie in")
        if self.source == "dated" and self.kind == "category":
            raise ValueError("dated rows hold numbers or flags; a category belongs on enrolments")
        if self.kind == "category" and not self.categories:
            raise ValueError("a category needs its list of categories")
        return self


class Acceptance(_Part):
    """A warning that somebody looked at and accepted."""

    rule: str
    table: str
    by: str
    on: dt.date
    because: str
    up_to_share: float = Field(default=1.0, gt=0, le=1)


class Limits(_Part):
    """Where warnings add up to a fault."""

    warning_share: float = Field(default=0.01, gt=0, le=1, description="Rows set apart by one rule, as a share of their table.")
    least_rows: int = Field(default=50, ge=0, description="So many rows set apart by one rule are always a warning, whatever their share.")


class Rights(_Part):
    """Which students' objections and erasures hold for this folder."""

    list: str = Field(min_length=1, description="The file that 'riskmodel rights export' wrote; a path of its own or below the folder.")


RecentDays = Literal[7, 14, 21, 28]
DEFAULT_RECENT_DAYS: RecentDays = 14
# Whole weeks, so that each day of the week counts as often; how a label names them, in Dutch and in English.
RECENT_LABELS = {
    7: ("in de laatste week", "in the last week"),
    14: ("in de laatste twee weken", "in the last two weeks"),
    21: ("in de laatste drie weken", "in the last three weeks"),
    28: ("in de laatste vier weken", "in the last four weeks"),
}


class DatasetDefinition(_Part):
    """All of `dataset.toml`."""

    name: str
    source: str = ""
    note: str = ""
    landmarks: tuple[Annotated[int, Field(gt=0, le=400)], ...] = DEFAULT_LANDMARKS
    keep_before_start_days: int = Field(
        default=0, ge=0, description="Rows up to so many days before the start of an enrolment belong to it."
    )
    last_day: int = Field(default=130, description="The last day since the start on which students are scored.")
    recent_days: RecentDays = Field(
        default=DEFAULT_RECENT_DAYS,
        description="Days up to the day of scoring that 'recent' stands for, in attendance and in declared dated columns.",
        exclude_if=lambda days: days == DEFAULT_RECENT_DAYS,
    )
    cohorts: tuple[Cohort, ...]
    outcome: OutcomeDefinition
    grades: GradeScale = GradeScale()
    prior_education: PriorEducation = PriorEducation()
    delays: Delays = Delays()
    tables: dict[Literal["enrolments", "attendance", "results", "outcomes", "groups", "contacts", "coaches"], Table]
    extra: tuple[ExtraColumn, ...] = ()
    accept: tuple[Acceptance, ...] = ()
    limits: Limits = Limits()
    rights: Rights | None = None
    left_out_features: tuple[str, ...] = Field(default=(), description="Catalogue features or groups that this institution leaves out.")
    imported: dict[str, Any] = Field(default_factory=dict, description="What an importer counted, dropped and chose.")

    @model_validator(mode="after")
    def _consistent(self) -> DatasetDefinition:
        if "enrolments" not in self.tables:
            raise ValueError("[tables.enrolments] is missing")
        if not self.landmarks or list(self.landmarks) != sorted(set(self.landmarks)):
            raise ValueError("landmarks must be days in rising order, each once")
        if self.last_day < self.landmarks[-1]:
            raise ValueError("last_day lies before the last landmark")
        labels = [cohort.label for cohort in self.cohorts]
        if not labels or len(labels) != len(set(labels)):
            raise ValueError("cohorts need labels, each once, oldest first")
        names = [extra.name for extra in self.extra]
        if len(names) != len(set(names)):
            raise ValueError("two extra columns carry the same name")
        return self

    def cohort(self, label: str) -> Cohort:
        """Give the cohort with a label; raises KeyError where there is none."""
        for cohort in self.cohorts:
            if cohort.label == label:
                return cohort
        raise KeyError(label)

    @property
    def closed_cohorts(self) -> tuple[str, ...]:
        """Labels of the cohorts whose outcomes are known, oldest first."""
        return tuple(cohort.label for cohort in self.cohorts if cohort.closed)

    @property
    def running_cohorts(self) -> tuple[str, ...]:
        """Labels of the cohorts whose outcomes are not known yet, oldest first."""
        return tuple(cohort.label for cohort in self.cohorts if not cohort.closed)


def read_definition(folder: Path) -> DatasetDefinition:
    """Read `dataset.toml` from a data folder.

    Parameters
    ----------
    folder : Path
        A data folder.

    Raises
    ------
    ConfigurationFault
        The folder or the file is missing, is no TOML, or says something that cannot be; every fault is named with its place.
    """
    path = folder / FILE_NAME
    if not folder.is_dir():
        raise ConfigurationFault(
            "this folder does not exist.", place=str(folder), remedy="Check the name, or make it and put the tables in it."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationFault(
            f"there is no {FILE_NAME} in this folder.", place=str(folder), remedy=f"Let 'riskmodel data init {folder}' propose one."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigurationFault("this file is not UTF-8 text.", place=f"{path}, byte {error.start}", remedy="Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigurationFault(
            f"this file can't be read ({error.strerror}).", place=str(path), remedy="Check the rights on it."
        ) from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationFault(f"this is not valid TOML: {error}.", place=str(path), remedy="Mend the line that is named.") from None
    try:
        return DatasetDefinition.model_validate(raw)
    except ValidationError as error:
        faults = [
            f"{'.'.join(str(part) for part in fault['loc']) or 'file'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        ]
        raise ConfigurationFault("; ".join(faults) + ".", place=str(path), remedy="Mend what is named and try again.") from None
