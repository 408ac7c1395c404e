"""What serves now: versions, landmarks, features, the definition of the outcome, and what was measured."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from serving.access.guard import Allow
from serving.access.scopes import Scope
from serving.dependencies import ServingDep
from serving.problems import NOT_LET_IN, told_as_problem

router = APIRouter(prefix="/v1", tags=["model"])


class FeatureFacts(BaseModel):
    """One feature, as the catalogue tells it."""

    name: str
    group: str
    kind: str
    label: dict[str, str]
    unit: str
    direction: str
    actionable: bool
    justification: str
    categories: list[str]


class ModelFactsShown(BaseModel):
    """One target's model."""

    version: str
    family: str
    landmarks: list[int]
    interval_level: float | None
    trained_on: list[str]
    tested_on: str
    outcome: dict[str, Any]
    measured: dict[str, Any]
    features: list[FeatureFacts]


class Models(BaseModel):
    """The models that serve, by target."""

    models: dict[str, ModelFactsShown]


@router.get(
    "/model",
    summary="The models that serve now",
    dependencies=[Depends(Allow(Scope.MODELS_READ))],
    responses={**NOT_LET_IN, 503: told_as_problem("No model was promoted yet.")},
)
def model(serving: ServingDep) -> Models:
    """Tell, per target, what a score is made of and what was measured of it on students that the recipe had not seen."""
    shown = {}
    for target, each in serving.models.items():
        features = [
            FeatureFacts(
                name=f.name, group=f.group, kind=f.kind, label={"nl": f.label_nl, "en": f.label_en}, unit=f.unit, direction=f.direction,
                actionable=f.actionable, justification=f.justification, categories=list(f.categories),
            )
            for f in each.catalogue.values()
        ]  # fmt: skip
        shown[target] = ModelFactsShown(
            version=serving.versions[target],
            family=each.recipe.family,
            landmarks=list(each.landmarks),
            interval_level=each.interval_level,
            trained_on=list(each.facts.trained_on),
            tested_on=each.facts.tested_on,
            outcome=each.facts.definition["outcome"],
            measured=each.measured,
            features=features,
        )
    return Models(models=shown)
