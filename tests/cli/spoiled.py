"""Ways in which a data folder is spoiled in real life; each gives what the message about it names."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.riskmodel.contract.folders import institution, write_parquet


def no_folder(folder: Path) -> str:
    shutil.rmtree(folder)
    return "does not exist"


def empty_folder(folder: Path) -> str:
    shutil.rmtree(folder)
    folder.mkdir()
    return "no"


def missing_table(folder: Path) -> str:
    (folder / "results.csv").unlink()
    return "results"


def truncated_parquet(folder: Path) -> str:
    write_parquet(folder / "results.parquet", institution()["results"])
    (folder / "results.parquet").write_bytes((folder / "results.parquet").read_bytes()[:-40])
    toml = folder / "dataset.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace("results.csv", "results.parquet"), encoding="utf-8")
    return "results.parquet"


def stray_quote(folder: Path) -> str:
    path = folder / "results.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[7] = lines[7].replace("vak 1", '"vak 1')
    path.write_text("\n".join(lines), encoding="utf-8")
    return "line 8"


def toml_error(folder: Path) -> str:
    (folder / "dataset.toml").write_text('name = "x\n[tables', encoding="utf-8")
    return "dataset.toml"


SPOILERS = [no_folder, empty_folder, missing_table, truncated_parquet, stray_quote, toml_error]
