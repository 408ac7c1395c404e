"""What a run was made from, apart from its recipe: the data's fingerprints, how many students, the policy, libraries, Python, processor and threads."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from riskmodel.contract.dataset import Dataset, part_fingerprints
from riskmodel.policy import Policy
from training.left_out import students_of
from training.tracking import LIBRARIES

MADE_FROM = "made-from.json"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def made_from(dataset: Dataset, policy: Policy, cohorts: Sequence[str]) -> dict[str, Any]:
    """Give what must be the same for the same bytes to come out again, as plain values.

    Parameters
    ----------
    dataset : Dataset
    policy : Policy
        Holds the capacity that figures are measured at.
    cohorts : sequence of str
        Whom the model was trained and tested on.

    Returns
    -------
    dict
        `data` (SHA-256 per table), `students` (how many of the cohorts were read, and how many left out because of their rights), `policy`
        and `environment`.
    """
    return {
        "data": part_fingerprints(dataset.folder, dataset.definition),
        "students": students_of(dataset, cohorts),
        "policy": policy.model_dump(mode="json"),
        "environment": environment(),
    }


def environment() -> dict[str, Any]:
    """Give library versions, Python, system, processor and threads of this process."""
    return {
        "libraries": {name: version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "instructions": ", ".join(np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])),
        "threads": {name: os.environ.get(name, "") for name in _THREADS},
    }


def _processor() -> str:
    """Give the processor's name, which Python itself does not know on Linux."""
    if sys.platform == "linux":
        try:
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Tell which facts of the environment differ, one sentence each.

    Parameters
    ----------
    then, now : dict
        What `environment` gave.
    """
    told = []
    for name, before in _flat(then).items():
        after = _flat(now).get(name, "")
        if before != after:
            told.append(f"{name}: {before or 'not set'} then, {after or 'not set'} now")
    return told


def _flat(facts: dict[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in facts.items():
        flat |= {str(key): str(each) for key, each in value.items()} if isinstance(value, dict) else {str(name): str(value)}
    return flat
