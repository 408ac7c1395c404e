"""What to generate: sizes, years, scenario; and the margins that the demo is calibrated to."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Scenario = Literal["plain", "drift", "feed_failure", "late_tests", "new_programme", "noise", "transparent"]
SCENARIOS: tuple[Scenario, ...] = ("plain", "drift", "feed_failure", "late_tests", "new_programme", "noise", "transparent")

# Full-time bachelor students who began in 2018-2019 and intake 2019-2020: shares of intake, dropout and switch by prior education.
INTAKE = {"havo": 0.425, "mbo": 0.310, "vwo": 0.069, "other": 0.196}
DROPOUT = {"havo": 0.123, "mbo": 0.208, "vwo": 0.066, "other": 0.156}
SWITCH = {"havo": 0.225, "mbo": 0.150, "vwo": 0.130, "other": 0.178}
OVERALL_DROPOUT = 0.152
DRIFT = (0.113, 0.146)


class SynthSettings(BaseModel):
    """Settings of one generated data set.

    In the scenario 'drift' the base rate of dropping out changes over the last two closed cohorts, and in a running cohort another system
    registers one lesson in five as missed that was attended. `students` are per cohort. The last cohort still runs: it has no outcomes, and nothing that becomes known after `until_day` of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    students: int = Field(default=1200, ge=50)
    cohorts: int = Field(default=4, ge=1, le=20)
    seed: int = 20
    scenario: Scenario = "plain"
    last_year: int = Field(default=2026, description="Year in which the last cohort starts, on 1 September.")
    until_day: int = Field(default=60, ge=1, description="Day of the last cohort on which the tables were delivered.")
    closed: bool = Field(default=False, description="Whether the last cohort has its outcomes as well.")
    format: Literal["parquet", "csv", "1cho"] = "parquet"

    @model_validator(mode="after")
    def _deliverable(self) -> SynthSettings:
        if self.format == "1cho" and self.scenario == "transparent":
            raise ValueError(
                "the transparent scenario has outcomes per landmark, which 1cijferHO can't hold; choose another scenario or format"
            )
        return self

    @property
    def programmes(self) -> int:
        """How many programmes an institution of this size has."""
        return min(400, max(4, round(self.students / 100)))

    @property
    def years(self) -> tuple[int, ...]:
        """Years in which the cohorts start."""
        return tuple(range(self.last_year - self.cohorts + 1, self.last_year + 1))

    def dropout(self, place: int) -> dict[str, float]:
        """Give the dropout by prior education of one cohort."""
        newest = self.cohorts - 1 if self.closed else self.cohorts - 2
        drifted = {newest - 1: DRIFT[0], newest: DRIFT[1]}
        if self.scenario != "drift" or place not in drifted:
            return DROPOUT
        return {kind: rate * drifted[place] / OVERALL_DROPOUT for kind, rate in DROPOUT.items()}
