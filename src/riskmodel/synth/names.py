"""Believable names for students and coaches who do not exist. The e-mail domain is reserved for examples and reaches nobody."""

from __future__ import annotations

import numpy as np
import pandas as pd

_WOMEN = (
    "Anna", "Emma", "Sanne", "Lotte", "Fatima", "Julia", "Eva", "Noor", "Lisa", "Yara", "Femke", "Amina", "Iris", "Maud", "Roos", "Esra", "Fleur", "Naomi",
    "Sara", "Tess", "Bo", "Lieke", "Zoe", "Samira", "Hanna", "Merel", "Nina", "Jasmijn", "Chaima", "Elif",
)  # fmt: skip
_MEN = (
    "Daan", "Sem", "Lucas", "Mohammed", "Thijs", "Bram", "Finn", "Jesse", "Youssef", "Tim", "Ruben", "Niels", "Mees", "Koen", "Amir", "Stijn", "Joris", "Emre",
    "Lars", "Sven", "Bilal", "Max", "Teun", "Gijs", "Adam", "Wouter", "Jayden", "Luuk", "Hamza", "Pim",
)  # fmt: skip
_FAMILIES = (
    "de Jong", "Jansen", "de Vries", "van den Berg", "Bakker", "van Dijk", "Visser", "Smit", "Meijer", "de Boer", "Mulder", "de Groot", "Bos", "Vos", "Peters",
    "Hendriks", "van Leeuwen", "Dekker", "Brouwer", "de Wit", "Dijkstra", "Smits", "de Graaf", "van der Meer", "Kok", "Jacobs", "Yilmaz", "El Amrani",
    "van der Linden", "Vermeulen", "Postma", "Bouzid", "Kuipers", "Willems", "Hoekstra", "Santos", "Kaya", "Maas", "Verhoeven", "Koster", "Nguyen", "Prins",
)  # fmt: skip


def name_of(generator: np.random.Generator, gender: str = "") -> str:
    """Draw one full name."""
    firsts = {"man": _MEN, "woman": _WOMEN}.get(gender, _WOMEN + _MEN)
    return f"{firsts[generator.integers(len(firsts))]} {_FAMILIES[generator.integers(len(_FAMILIES))]}"


def contacts_of(students: np.ndarray, genders: np.ndarray, generator: np.random.Generator) -> pd.DataFrame:
    """Give student_id, name, email and language of each student."""
    women, men, families = np.array(_WOMEN), np.array(_MEN), np.array(_FAMILIES)
    n = len(students)
    first = np.where(genders == "man", men[generator.integers(0, len(men), n)], women[generator.integers(0, len(women), n)])
    names = np.char.add(np.char.add(first, " "), families[generator.integers(0, len(families), n)])
    emails = np.char.add(students.astype("U"), "@student.example.nl")
    language = np.where(generator.random(n) < 0.95, "nl", "en")
    return pd.DataFrame({"student_id": students, "name": names, "email": emails, "language": language})
