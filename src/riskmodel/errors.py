"""Errors that a person can act on: what is wrong, where, and what to do about it."""

from __future__ import annotations

EXIT_FAULT = 2
EXIT_REFUSED = 3


class RiskModelError(Exception):
    """Something that the person at the keyboard can mend.

    Parameters
    ----------
    message : str
        What is wrong, as one sentence.
    place : str, optional
        The file, table, column or row that it concerns.
    remedy : str, optional
        What to do about it, as one sentence.
    """

    exit_code = EXIT_FAULT

    def __init__(self, message: str, *, place: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        what_to_do = f" {self.remedy}" if self.remedy else ""
        return f"{where}{self.message}{what_to_do}"


class DataFault(RiskModelError):
    """The data set cannot be used as it is."""


class ConfigurationFault(RiskModelError):
    """A configuration file does not say what it should."""


class ModelFault(RiskModelError):
    """A model folder is missing, damaged or made by something else."""


class PromotionRefused(RiskModelError):
    """A challenger did not earn its place."""

    exit_code = EXIT_REFUSED


class RollbackRefused(RiskModelError):
    """There is no earlier champion to go back to."""

    exit_code = EXIT_REFUSED
