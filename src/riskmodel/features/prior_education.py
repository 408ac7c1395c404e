"""Prior education: its kind, and whether it is related to the programme. Context for a talk, never its headline; can be switched off."""

from __future__ import annotations

import pandas as pd

from riskmodel.catalogue import Feature
from riskmodel.contract.definition import DatasetDefinition

_WHY = (
    "Havo, mbo and vwo entrants meet different difficulties, so it helps to tell who needs which support. It can carry social background: "
    "its worth is measured, an institution can leave it out, and no text names it first."
)


def features(definition: DatasetDefinition) -> tuple[Feature, ...]:
    """Give this group's features; none where the institution leaves prior education out."""
    if not definition.prior_education.use:
        return ()
    kinds = tuple(definition.prior_education.kinds)
    return (
        Feature("prior_education", "prior_education", "category", "prior_education", "vooropleiding", "prior education", "", "none", False, _WHY, kinds),
        Feature("prior_education_related", "prior_education", "flag", "prior_education", "verwante vooropleiding", "related prior education", "",
                "none", False, "After mbo, a programme in another field is known to be harder to begin."),
    )  # fmt: skip


def measure(enrolments: pd.DataFrame, definition: DatasetDefinition) -> pd.DataFrame:
    """Give this group's columns, indexed as `enrolments`."""
    if not definition.prior_education.use:
        return pd.DataFrame(index=enrolments.index)
    return enrolments[["prior_education", "prior_education_related"]].astype({"prior_education": "str", "prior_education_related": float})
