"""A typed client of riskmodel's API. It knows the contract of /v1, and nothing of how a score comes about."""

from riskmodel_client.client import Client
from riskmodel_client.errors import NoAnswer, ProblemError
from riskmodel_client.requests import DatedValue, Enrolment, Lesson, RawStudent, ReadyStudent, TestResult
from riskmodel_client.responses import (
    Feature,
    Invitation,
    InvitationPage,
    KeptReason,
    KeptScore,
    Model,
    ModelCard,
    Problem,
    Reason,
    StudentResult,
    TargetScore,
)
from riskmodel_client.retrying import Retries

__all__ = [
    "Client",
    "DatedValue",
    "Enrolment",
    "Feature",
    "Invitation",
    "InvitationPage",
    "KeptReason",
    "KeptScore",
    "Lesson",
    "Model",
    "ModelCard",
    "NoAnswer",
    "Problem",
    "ProblemError",
    "RawStudent",
    "ReadyStudent",
    "Reason",
    "Retries",
    "StudentResult",
    "TargetScore",
    "TestResult",
]
