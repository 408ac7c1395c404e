"""`policy.toml`: how many students are invited, on which target, in which period, who always is and who is left alone."""

from __future__ import annotations

import datetime as dt
import hashlib
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from riskmodel.errors import ConfigurationFault

FILE_NAME = "policy.toml"


class Rules(BaseModel):
    """What an institution may set for all and otherwise for one programme.

    Attributes
    ----------
    talks_per_coach : int, optional
        Invitations that a coach has time for in a week; a coach's own `capacity` in the table of coaches goes before it.
    places_per_programme : int, optional
        Places of a programme's weekly group session, where there are no single talks.
    always_invite : tuple of str
        Rules by which a student is invited whatever the score.
    by_chance_share : float
        Share of the places drawn by lot among all who are not invited otherwise, so that no list is a label and the model can be tested.
    lottery_band : float
        Share of the places by rank next to the cut-off that is drawn among as many students on both sides of it.
    hysteresis : float
        By what share of the places a student of the last list may fall below the cut-off and stay.
    leave_alone_weeks : int
        For how long after an invitation a student is not invited again by rule, rank or lot.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    talks_per_coach: Annotated[int, Field(ge=0)] | None = None
    places_per_programme: Annotated[int, Field(ge=0)] | None = None
    always_invite: tuple[Literal["first_test_failed_or_missed"], ...] = ()
    by_chance_share: Annotated[float, Field(ge=0, le=0.2)] = 0.02
    lottery_band: Annotated[float, Field(ge=0, le=1)] = 0.0
    hysteresis: Annotated[float, Field(ge=0, le=1)] = 0.0
    leave_alone_weeks: Annotated[int, Field(ge=0, le=52)] = 0

    @model_validator(mode="after")
    def _one_way_to_count(self) -> Rules:
        if self.talks_per_coach is not None and self.places_per_programme is not None:
            raise ValueError(
                f"talks_per_coach = {self.talks_per_coach} and places_per_programme = {self.places_per_programme} are two ways to count places; keep one"
            )
        return self


class GateBounds(BaseModel):
    """What a challenger is held against besides the rules that schools use by hand.

    Attributes
    ----------
    calibration_slope : tuple of float
        Least and most; refused where the whole 95 % interval of the slope lies outside.
    calibration_intercept : float
        Most that the log-odds may be off in the mean, either way; the same holds.
    programme_intercept : float
        The same for the mean of one programme, which moves more from year to year.
    programme_students : int
        A programme with fewer students in the test cohort is not looked at by itself.
    worse_than_champion : float
        Share of all leavers by which it may find fewer than the champion at capacity; refused where that can't be ruled out.
    group_difference : float
        Most by which the shares of leavers reached may differ between groups, as far as chance does not explain it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    calibration_slope: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (0.7, 1.4)
    calibration_intercept: Annotated[float, Field(gt=0)] = 0.5
    programme_intercept: Annotated[float, Field(gt=0)] = 0.8
    programme_students: Annotated[int, Field(ge=20)] = 100
    worse_than_champion: Annotated[float, Field(ge=0, le=1)] = 0.05
    group_difference: Annotated[float, Field(gt=0, le=1)] = 0.2


class Policy(Rules):
    """The invitation rule of an institution.

    Without `talks_per_coach` and `places_per_programme`, `capacity_share` is the share of the students scored that the coaches have time
    for; it is also the capacity at which a challenger is measured. `promote_at` names the landmarks at which it must beat the rules that
    schools use by hand.
    """

    target: Literal["dropout", "leave"] = "leave"
    capacity_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    promote_at: tuple[int, ...] = (56, 84)
    overflow: Literal["wait", "programme", "academy"] = "wait"
    """What happens to a student whose own coach is full: wait a week, or a colleague of the programme, or then of the academy."""
    valid_from: dt.date | None = None
    valid_until: dt.date | None = None
    gates: GateBounds = GateBounds()
    """What a challenger has to keep to before it serves."""
    programme: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """What a programme sets otherwise, by its name."""

    @model_validator(mode="after")
    def _programmes_make_sense(self) -> Policy:
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError(f"valid_until = {self.valid_until} lies before valid_from = {self.valid_from}")
        for name in self.programme:
            self.rules_for(name)
        return self

    def rules_for(self, programme: str) -> Rules:
        """Give the rules that hold for a programme: its own where it sets them, the institution's for the rest."""
        own = self.programme.get(programme, {})
        common = {name: getattr(self, name) for name in Rules.model_fields}
        # Places are counted one way: a programme that counts otherwise leaves the institution's way.
        if "places_per_programme" in own:
            common["talks_per_coach"] = None
        if "talks_per_coach" in own:
            common["places_per_programme"] = None
        try:
            return Rules.model_validate({**common, **own})
        except ValidationError as error:
            told = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise ValueError(f"programme {programme!r}: {told}") from None

    def target_among(self, known: Collection[str]) -> str:
        """Give the target that ranks: the policy's own where it is known or nothing is, else the first that is."""
        return self.target if self.target in known or not known else next(iter(known))

    @property
    def counts_a_share(self) -> bool:
        """Give whether places are a share of all students, and not counted per coach or programme."""
        return self.talks_per_coach is None and self.places_per_programme is None

    @property
    def version(self) -> str:
        """Give a short name of what the policy says of invitations; the same words give the same name."""
        return hashlib.sha256(self.model_dump_json(exclude={"gates"}).encode()).hexdigest()[:10]


def read_policy(folder: Path) -> Policy:
    """Read `policy.toml` from a data folder; without one the defaults hold.

    Raises
    ------
    ConfigurationFault
        The file can't be read, is no TOML or says something that cannot be.
    """
    path = folder / FILE_NAME
    return read_policy_file(path) if path.exists() else Policy()


def read_policy_file(path: Path) -> Policy:
    """Read a policy from a file of any name.

    Raises
    ------
    ConfigurationFault
        The file is not there, can't be read, is no TOML or says something that cannot be.
    """
    try:
        return Policy.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise ConfigurationFault(
            f"this file can't be read ({error.strerror}).", place=str(path), remedy="Check its name and the rights on it."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationFault(f"this is not valid TOML: {error}.", place=str(path), remedy="Mend the line that is named.") from None
    except ValidationError as error:
        told = "; ".join(": ".join(filter(None, (".".join(map(str, fault["loc"])), fault["msg"]))) for fault in error.errors())
        raise ConfigurationFault(f"{told}.", place=str(path), remedy="Mend what is named and try again.") from None
