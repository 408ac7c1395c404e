"""What an institution would register of its students: enrolments, lessons and tests, from traits and the day of leaving."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

LESSON_FREE_WEEKS = (7, 16, 17, 25, 34)
LESSON_WEEKS = 38
TEST_WEEKS = (9, 19, 29, 37)
GROUP_OF_A_COACH = 25
_ABSENT = "NVD"


@dataclass(frozen=True)
class Programme:
    """One programme: its name, place, rhythm and how many leave it."""

    name: str
    academy: str
    level: str
    share: float
    effect: float
    lessons_a_week: int
    first_test_day: int
    difficulty: float
    test_shift: int = 0


_SUBJECTS = (
    "Verpleegkunde", "Social Work", "Bedrijfskunde", "Informatica", "Werktuigbouwkunde", "Communicatie", "Pabo", "Rechten", "Fysiotherapie",
    "Commerciële Economie", "Bouwkunde", "Pedagogiek", "Biologie en Medisch Laboratoriumonderzoek", "Finance en Control", "Creative Business",
    "Toegepaste Psychologie", "Logistiek", "Chemie", "Elektrotechniek", "Vastgoed", "Facility Management", "Docent Nederlands", "Sportkunde", "Voeding en Diëtetiek",
)  # fmt: skip
_ACADEMIES = ("Academie Gezondheid", "Academie Mens en Maatschappij", "Academie Economie", "Academie Techniek", "Academie Educatie")


def make_programmes(count: int, seed: int, *, late: bool = False) -> list[Programme]:
    """Lay out an institution's programmes; with `late` the second one tests six weeks later than the others."""
    generator = np.random.default_rng([seed, 1])
    shares = generator.gamma(4.0, 1.0, count)
    effects = generator.normal(0.0, 0.3, count)
    programmes = []
    for place in range(count):
        subject, campus = _SUBJECTS[place % len(_SUBJECTS)], place // len(_SUBJECTS)
        programmes.append(
            Programme(
                name=subject if not campus else f"{subject} {campus + 1}",
                academy=_ACADEMIES[place % len(_ACADEMIES)],
                level="associate degree" if place % 6 == 5 else "bachelor",
                share=float(shares[place] / shares.sum()),
                effect=float(effects[place]),
                lessons_a_week=int(generator.integers(8, 13)),
                first_test_day=int(generator.integers(24, 40)),
                difficulty=float(generator.normal(0.0, 0.25)),
                test_shift=42 if late and place == 1 else 0,
            )
        )
    return programmes


def enrolments(kinds: np.ndarray, traits: np.ndarray, programme: Programme, generator: np.random.Generator) -> pd.DataFrame:
    """Give what is registered at the start; dates as days from the cohort's start."""
    n = len(kinds)
    fit, circumstances = traits[:, 0], traits[:, 3]
    late = generator.random(n) < expit(-3.9 + 0.4 * circumstances)
    start = np.where(late, generator.integers(5, 29, n), 0)
    lead = np.round(np.exp(generator.normal(4.4 + 0.22 * fit, 0.65, n)))
    check = np.where(generator.random(n) < 0.75, np.where(generator.random(n) < expit(-1.4 - 0.9 * fit), "doubt", "done"), "not_done")
    related = np.where(kinds == "mbo", (generator.random(n) < expit(0.4 + 0.4 * fit)).astype(float), np.nan)
    gap = np.where(kinds == "mbo", generator.poisson(0.7, n), generator.poisson(0.35, n)).astype(float)
    return pd.DataFrame(
        {
            "start": start,
            "enrolled": np.where(late, start - generator.integers(0, 10, n), -lead),
            "prior_education": kinds,
            "prior_education_related": related,
            "intake_check": check,
            "study_form": np.where(generator.random(n) < 0.93, "full-time", "part-time"),
            "level": programme.level,
            "gap_years": gap,
            "coach": np.arange(n) // GROUP_OF_A_COACH,
        }
    )


def sensitive(traits: np.ndarray, generator: np.random.Generator) -> pd.DataFrame:
    """Give sensitive attributes: they go with circumstances and with nothing else."""
    circumstances = traits[:, 3]
    n = len(traits)
    return pd.DataFrame(
        {
            "gender": np.where(generator.random(n) < expit(0.1 + 0.25 * circumstances), "man", "woman"),
            "migration_background": np.where(generator.random(n) < expit(-1.1 + 0.5 * circumstances), "yes", "no"),
            "first_generation": np.where(generator.random(n) < expit(-0.5 + 0.5 * circumstances), "yes", "no"),
            "disability": np.where(generator.random(n) < expit(-2.0 + 0.5 * circumstances), "yes", "no"),
        }
    )


def _decline(days: np.ndarray, leaving: np.ndarray, looks_well: np.ndarray) -> np.ndarray:
    """Give what is left of the wish to attend on days before leaving, shape (students, days): it falls over five weeks."""
    before = leaving[:, None] - days[None, :]
    fading = np.clip(before / 35.0, 0.0, 1.0)
    fading = np.where(np.isnan(before), 1.0, 0.15 + 0.85 * fading)
    return np.where(looks_well[:, None], 1.0, fading)


def attendance(
    traits: np.ndarray, start: np.ndarray, leaving: np.ndarray, looks_well: np.ndarray, programme: Programme, generator: np.random.Generator
) -> pd.DataFrame:
    """Give one row per student and lesson: student (place), day from the cohort's start, course, session, attended."""
    weeks = np.array([week for week in range(LESSON_WEEKS) if week not in LESSON_FREE_WEEKS])
    days_of_week = np.sort(np.arange(programme.lessons_a_week) % 5)
    days = (weeks[:, None] * 7 + days_of_week[None, :]).ravel()
    slot = np.tile(np.arange(programme.lessons_a_week), len(weeks))
    n = len(traits)
    wish = 1.75 + 0.45 * traits[:, 0] + 0.75 * traits[:, 1] - 0.55 * traits[:, 3]
    mood = np.repeat(generator.normal(0.0, 0.5, (n, len(weeks))), programme.lessons_a_week, axis=1)
    fatigue = -0.006 * days
    probability = expit(wish[:, None] + mood + fatigue[None, :])
    ill_from = np.where(generator.random(n) < 0.35, generator.integers(0, LESSON_WEEKS * 7, n), -100)
    ill = (days[None, :] >= ill_from[:, None]) & (days[None, :] < ill_from[:, None] + generator.integers(3, 12, n)[:, None])
    probability = probability * _decline(days, leaving + 0.0, looks_well) * ~ill
    attended = generator.random((n, len(days))) < probability
    present = (days[None, :] >= start[:, None]) & ~(days[None, :] >= np.where(np.isnan(leaving), np.inf, leaving)[:, None])
    student, place = np.nonzero(present)
    return pd.DataFrame(
        {
            "student": student,
            "day": days[place],
            "course": np.char.add("vak ", (slot[place] % 4 + 1).astype(str)),
            "session": place,
            "attended": attended[student, place].astype(np.int8),
        }
    )


def results(
    traits: np.ndarray, start: np.ndarray, leaving: np.ndarray, looks_well: np.ndarray, programme: Programme, generator: np.random.Generator
) -> pd.DataFrame:
    """Give one row per student, test and attempt: student (place), day, known day, course, test, attempt, grade as told, credits."""
    plan = [("vak 1", "tussentoets", programme.first_test_day, 2.0)]
    for period, week in enumerate(TEST_WEEKS):
        plan += [(f"vak {course}", f"tentamen {period + 1}", week * 7 + course, 5.0 if course < 3 else 3.0) for course in (1, 2, 3)]
    ability = -0.30 * traits[:, 3] + 0.38 * traits[:, 0] + 0.52 * traits[:, 1] + 0.62 * traits[:, 2]
    n = len(traits)
    rows = []
    for course, test, planned, points in plan:
        day = planned + programme.test_shift
        here = (day >= start) & ~(day >= leaving)
        fading = _decline(np.array([day]), leaving, looks_well)[:, 0]
        absent = generator.random(n) < 1 - (1 - expit(-3.4 - 0.75 * traits[:, 1] + 0.6 * traits[:, 3])) * fading**0.5
        grade = 6.3 - programme.difficulty + 1.05 * ability + generator.normal(0.0, 0.95, n) - 0.9 * (1 - fading)
        delay = generator.integers(5, 15, n)
        rows.append(_attempt(here, day, delay, course, test, 1, grade, absent, points))
        again = here & (absent | (np.round(grade, 1) < 5.5)) & ~(day + 28 >= leaving) & (generator.random(n) < 0.85)
        better = grade + 0.5 + generator.normal(0.0, 0.7, n)
        rows.append(_attempt(again, day + 28, generator.integers(5, 15, n), course, test, 2, better, np.zeros(n, dtype=bool), points))
    return pd.concat(rows, ignore_index=True)


def _attempt(
    who: np.ndarray,
    day: int,
    delay: np.ndarray,
    course: str,
    test: str,
    attempt: int,
    grade: np.ndarray,
    absent: np.ndarray,
    credits: float,
) -> pd.DataFrame:
    student = np.flatnonzero(who)
    told = np.char.mod("%.1f", np.clip(np.round(grade[student], 1), 1.0, 10.0))
    told = np.where(absent[student], _ABSENT, told)
    known = day + delay[student]
    columns = {
        "student": student,
        "day": day,
        "known": known,
        "course": course,
        "test": test,
        "attempt": attempt,
        "grade": told,
        "credits": credits,
    }
    return pd.DataFrame(columns)
