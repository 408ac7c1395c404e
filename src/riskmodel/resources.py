"""Files that come with the product, in a checkout and in an installed package alike."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def family_file(name: str) -> Path:
    """Give the declarative file of a model family, e.g. 'blend'; it may not exist."""
    installed = _PACKAGE / "_families" / f"{name}.toml"
    return installed if installed.exists() else _PACKAGE.parents[1] / "models" / f"{name}.toml"


def words_file(name: str) -> Path:
    """Give a file of words, e.g. 'nl.toml'."""
    return _PACKAGE / "words" / name
