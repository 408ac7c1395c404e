"""`GET /v1/models`, `/v1/models/{name}` and `/v1/features`: what serves, the facts of its card, and what it looks at."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from riskmodel.catalogue import Feature
from riskmodel.model import RiskModel
from serving.access.guard import Allow
from serving.access.scopes import Scope
from serving.champions import Serving
from serving.conditional import ConditionalRoute
from serving.dependencies import ServingDep
from serving.problems import NOT_LET_IN, Problem, told_as_problem


def _may_be_kept(response: Response) -> None:
    """Let callers keep what is nobody's, as long as they ask whether it is still so."""
    response.headers["Cache-Control"] = "private, no-cache"


router = APIRouter(
    prefix="/v1",
    tags=["models"],
    route_class=ConditionalRoute,
    dependencies=[Depends(Allow(Scope.MODELS_READ)), Depends(_may_be_kept)],
    responses={**NOT_LET_IN, 503: told_as_problem("No model was promoted yet.")},
)


class ModelOut(BaseModel):
    """One model that serves."""

    name: str = Field(description="Its target: dropout or leave.", examples=["leave"])
    version: str = Field(examples=["leave-3"])
    family: str = Field(examples=["blend"])
    landmarks: list[int] = Field(description="The days on which it scores.", examples=[[14, 28, 42, 56, 70, 84, 100]])
    interval_level: float | None = Field(description="How often its intervals should cover; None for a model without.", examples=[0.8])


class ModelsOut(BaseModel):
    """The models that serve, one per target."""

    models: list[ModelOut]


class ModelCard(ModelOut):
    """One model with the facts of its card."""

    trained_on: list[str] = Field(description="Cohorts that it learnt from.")
    tested_on: str = Field(description="The cohort that its figures were measured on.")
    students: dict[str, Any] = Field(description="Per cohort: students, and how many left.")
    outcome: dict[str, Any] = Field(description="What counts as leaving, and when that is established.")
    measured: dict[str, Any] = Field(description="Per landmark: what was measured on students that the recipe had not seen.")
    set_apart: dict[str, int] = Field(description="Per table and rule: rows that were not used.")
    fingerprint: str = Field(description="SHA-256 of the data.")
    libraries: dict[str, str] = Field(description="Versions that it was fitted with.")
    features: list[str] = Field(description="Names of what it looks at; GET /v1/features tells them.")


class FeatureOut(BaseModel):
    """One feature, as the catalogue tells it."""

    name: str = Field(examples=["attendance_share"])
    group: str
    kind: str = Field(description="number, flag or category.")
    label: dict[str, str] = Field(description="What it is called, by language.")
    unit: str
    direction: str = Field(description="Which way the risk may go when it rises.")
    actionable: bool = Field(description="Whether coach and student can do something about it.")
    justification: str = Field(description="Why it may be used.")
    categories: list[str] = Field(description="The values that a category may have.")
    models: list[str] = Field(description="Names of the models that look at it.")


class FeaturesOut(BaseModel):
    """The catalogue of features."""

    features: list[FeatureOut]


def _model(serving: Serving, name: str, model: RiskModel) -> dict[str, Any]:
    return {
        "name": name,
        "version": serving.versions[name],
        "family": model.recipe.family,
        "landmarks": list(model.landmarks),
        "interval_level": model.interval_level,
    }


@router.get("/models", summary="The models that serve now")
def models(serving: ServingDep) -> ModelsOut:
    """Tell which models serve, one per target."""
    return ModelsOut(models=[ModelOut(**_model(serving, name, each)) for name, each in serving.models.items()])


@router.get("/models/{name}", summary="One model with the facts of its card", responses={404: told_as_problem("No such model serves.")})
def model(serving: ServingDep, name: Annotated[str, Path(max_length=100, examples=["leave"])]) -> ModelCard:
    """Tell what a model learnt from, what it was measured on and with which result, and what it looks at."""
    found = serving.models.get(name)
    if found is None:
        raise Problem(404, "not-found", f"No such model serves; there are {', '.join(serving.models)}.")
    return ModelCard(
        **_model(serving, name, found),
        trained_on=list(found.facts.trained_on),
        tested_on=found.facts.tested_on,
        students=found.facts.students,
        outcome=found.facts.definition["outcome"],
        measured=found.measured,
        set_apart=found.facts.set_apart,
        fingerprint=found.facts.fingerprint,
        libraries=found.facts.versions,
        features=list(found.catalogue),
    )


@router.get("/features", summary="What the models look at")
def features(serving: ServingDep) -> FeaturesOut:
    """Give the catalogue: every feature with its meaning, the reason why it may be used, and the models that use it."""
    users: dict[str, list[str]] = {}
    catalogue: dict[str, Feature] = {}
    for target, each in serving.models.items():
        for name, feature in each.catalogue.items():
            catalogue.setdefault(name, feature)
            users.setdefault(name, []).append(target)
    return FeaturesOut(
        features=[
            FeatureOut(
                name=f.name, group=f.group, kind=f.kind, label={"nl": f.label_nl, "en": f.label_en}, unit=f.unit, direction=f.direction,
                actionable=f.actionable, justification=f.justification, categories=list(f.categories), models=users[name],
            )
            for name, f in catalogue.items()
        ]
    )  # fmt: skip
