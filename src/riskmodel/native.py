"""The one native library that pip does not bring: OpenMP, which LightGBM computes with."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

from riskmodel.errors import RiskModelError


def require_openmp(load: Callable[[str], object] = ctypes.CDLL, platform: str = sys.platform) -> None:
    """Say which package brings OpenMP where a Linux machine lacks it.

    Parameters
    ----------
    load : callable
        Loads a shared library by name and raises OSError where there is none.
    platform : str
        As in `sys.platform`.

    Raises
    ------
    RiskModelError
        libgomp.so.1 can't be loaded.
    """
    if not platform.startswith("linux"):
        return
    try:
        load("libgomp.so.1")
    except OSError:
        raise RiskModelError(
            "LightGBM needs the OpenMP library libgomp.so.1, which is missing on this machine.",
            remedy="Install the package libgomp1 (Debian, Ubuntu), libgomp (Fedora, RHEL, Alpine) or gcc-libs (Arch) and try again.",
        ) from None
