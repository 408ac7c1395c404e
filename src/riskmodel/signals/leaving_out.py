"""Writes `left_out_features` into a dataset.toml without touching anything else in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tomlkit

from riskmodel.contract.definition import FILE_NAME, read_definition
from riskmodel.files import atomic_file


def leave_out(folder: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Add features or groups to `left_out_features`; comments, order and all else stay as they were.

    Parameters
    ----------
    folder : Path
        A data folder.
    names : sequence of str
        What to leave out as well.

    Returns
    -------
    tuple of str
        What was added: the names that were not there yet. Where there are none the file is not written.

    Raises
    ------
    RiskModelError
        The file can't be read or written, or is no dataset.toml; it is as it was.
    """
    there = read_definition(folder).left_out_features
    added = tuple(name for name in dict.fromkeys(names) if name not in there)
    if not added:
        return ()
    path = folder / FILE_NAME
    raw = path.read_bytes().decode("utf-8-sig")
    document = tomlkit.parse(raw)
    if "left_out_features" in document:
        for name in added:
            document["left_out_features"].append(name)
    else:
        document["left_out_features"] = list(added)
    with atomic_file(path) as temporary:
        temporary.write_bytes(tomlkit.dumps(document).encode())
    return added
