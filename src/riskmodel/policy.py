"""`policy.toml`: how many students are invited, on which target, on which days, and who always is."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from riskmodel.errors import ConfigurationFault

FILE_NAME = "policy.toml"


class Policy(BaseModel):
    """The invitation rule of an institution, in its first form.

    `capacity_share` is the share of the students scored that the coaches have time for; it is also the capacity at which a
    challenger is measured. `promote_at` names the landmarks at which it must beat the rules that schools use by hand.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: Literal["dropout", "leave"] = "leave"
    capacity_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    promote_at: tuple[int, ...] = (56, 84)
    always_invite: tuple[Literal["first_test_failed_or_missed"], ...] = ()
    by_chance_share: Annotated[float, Field(ge=0, le=0.2)] = 0.02


def read_policy(folder: Path) -> Policy:
    """Read `policy.toml` from a data folder; without one the defaults hold.

    Raises
    ------
    ConfigurationFault
        The file can't be read, is no TOML or says something that cannot be.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return Policy()
    try:
        return Policy.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise ConfigurationFault(
            f"this file can't be read ({error.strerror}).", place=str(path), remedy="Check the rights on it."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationFault(f"this is not valid TOML: {error}.", place=str(path), remedy="Mend the line that is named.") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigurationFault(f"{faults}.", place=str(path), remedy="Mend what is named and try again.") from None
