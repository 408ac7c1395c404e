"""A recipe: which family, with which parameters. Read from a declarative file in `models/`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from riskmodel.contract.definition import RecentDays
from riskmodel.errors import ConfigurationFault
from riskmodel.resources import family_file

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LogisticParameters(_Part):
    """Parameters of the logistic regression."""

    l2: float = Field(default=30.0, gt=0, description="Strength of the ridge penalty on standardised coefficients.")


class BoostedParameters(_Part):
    """Parameters of the boosted trees; few leaves keep each tree explainable by a small table."""

    trees: int = Field(default=120, ge=1, le=2000)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    leaves: int = Field(default=6, ge=2, le=8)
    least_students_in_leaf: int = Field(default=40, ge=1)
    l2: float = Field(default=20.0, ge=0)
    feature_fraction: float = Field(default=0.5, gt=0, le=1)
    row_fraction: float = Field(default=0.8, gt=0, le=1)


class LogisticSearch(_Part):
    """Values that a search may try for the logistic regression; none where it keeps the recipe's."""

    l2: tuple[Annotated[float, Field(gt=0)], ...] = ()


class BoostedSearch(_Part):
    """Values that a search may try for the boosted trees; none where it keeps the recipe's."""

    trees: tuple[Annotated[int, Field(ge=1, le=2000)], ...] = ()
    learning_rate: tuple[Annotated[float, Field(gt=0, le=1)], ...] = ()
    leaves: tuple[Annotated[int, Field(ge=2, le=8)], ...] = ()
    least_students_in_leaf: tuple[Annotated[int, Field(ge=1)], ...] = ()
    l2: tuple[Annotated[float, Field(ge=0)], ...] = ()
    feature_fraction: tuple[Annotated[float, Field(gt=0, le=1)], ...] = ()
    row_fraction: tuple[Annotated[float, Field(gt=0, le=1)], ...] = ()


class Search(_Part):
    """Values that a search may try, each of a parameter of the same name; fitting itself does not look at them."""

    layout: tuple[Literal["per_landmark", "pooled"], ...] = ()
    programme: tuple[bool, ...] = ()
    recent_days: tuple[RecentDays, ...] = Field(default=(), exclude_if=lambda days: not days)
    blend_weight: tuple[Share, ...] = ()
    logistic: LogisticSearch = LogisticSearch()
    lightgbm: BoostedSearch = BoostedSearch()


class Recipe(_Part):
    """How a model is fitted, apart from the data.

    `layout` is 'per_landmark' (a model of its own for each landmark) or 'pooled' (one that knows the day). `blend_weight` is the share of
    the logistic regression in a blend, for all targets or for each; without it the share is chosen on out-of-fold predictions.
    """

    family: Literal["logistic", "lightgbm", "blend"] = "blend"
    layout: Literal["per_landmark", "pooled"] = "per_landmark"
    seed: int = 20
    threads: int = Field(default=1, ge=1, description="Threads that trees are grown with; the artefact's bytes depend on it.")
    folds: int = Field(default=5, ge=2, description="Folds of students where there is one cohort.")
    background: int = Field(default=2000, ge=10, description="Most training students per landmark that explanations are told against.")
    interval_level: float = Field(
        default=0.9, gt=0, lt=1, description="How often the interval of a probability should cover, over students."
    )
    programme: bool = Field(default=True, description="Whether the programme itself is a feature.")
    recent_days: RecentDays | None = Field(
        default=None,
        description="Days that 'recent' stands for in features; what dataset.toml says where the recipe says nothing.",
        exclude_if=lambda days: days is None,
    )
    blend_weight: Share | dict[Literal["dropout", "leave"], Share] | None = None
    share_moves: bool = Field(
        default=False,
        description="Whether the share is chosen anew where each of two cohorts or more, held out in turn, says beyond doubt that another is better.",
    )
    least_leavers: int = Field(default=30, ge=10, description="Fewest leavers, and stayers, at a landmark; with fewer, training says so.")
    logistic: LogisticParameters = LogisticParameters()
    lightgbm: BoostedParameters = BoostedParameters()
    search: Search = Search()

    def for_target(self, target: str) -> Recipe:
        """Give the recipe with the blend's share of one target alone."""
        if not isinstance(self.blend_weight, dict):
            return self
        return self.model_copy(update={"blend_weight": {str(name): share for name, share in self.blend_weight.items()}.get(target)})


def read_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe by a family's name ('logistic', 'lightgbm', 'blend') or from a file.

    Raises
    ------
    ConfigurationFault
        There is no such file, it is no TOML, or it says something that cannot be.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = family_file(str(name_or_path))
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except FileNotFoundError:
        raise ConfigurationFault(
            "there is no such model family.", place=str(path), remedy="Choose logistic, lightgbm or blend, or name a file."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationFault(f"this is not valid TOML: {error}.", place=str(path), remedy="Mend the line that is named.") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigurationFault(f"{faults}.", place=str(path), remedy="Mend what is named and try again.") from None
