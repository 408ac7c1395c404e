"""`dataset.toml`, `policy.toml` and the settings of a generated folder."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import tomlkit

from riskmodel.contract.definition import FILE_NAME, TABLE_NAMES
from riskmodel.policy import FILE_NAME as POLICY_FILE
from riskmodel.synth.settings import SynthSettings

SETTINGS_FILE = "settings.toml"
SYNTHETIC_SOURCE = "riskmodel data synth"


def write_definition(folder: Path, settings: SynthSettings) -> None:
    """Write what the generated tables mean, the invitation rule, and with which settings they were made."""
    document = tomlkit.document()
    document.add(tomlkit.comment("Made by 'riskmodel data synth'. Nobody in these tables exists."))
    document["name"] = "Hogeschool Voorbeeld (verzonnen)"
    document["source"] = f"{SYNTHETIC_SOURCE} --scenario {settings.scenario}"
    cohorts = tomlkit.aot()
    for place, year in enumerate(settings.years):
        running = place == settings.cohorts - 1 and not settings.closed
        cohort = {"label": f"{year}-{year + 1}", "start": dt.date(year, 9, 1), "closed": not running}
        cohorts.append(tomlkit.item(cohort if running else {**cohort, "outcome_on": dt.date(year + 1, 10, 1)}))
    document["cohorts"] = cohorts
    document["outcome"] = {
        "measured_on": "1 oktober van het volgende studiejaar",
        "switch_inside_counts": True,
        "early_leavers_count": True,
        "note": "Uitval: niet meer ingeschreven in het hbo. Studiewissel: ingeschreven bij een andere opleiding.",
    }
    document.add(tomlkit.comment("Attendance is registered overnight; grades carry the day on which they were published."))
    document["delays"] = {"attendance": 1, "results": 10, "leaving": 14, "extra": 1}
    tables = tomlkit.table()
    for name in TABLE_NAMES:
        if (folder / f"{name}.parquet").exists():
            tables[name] = {"file": f"{name}.{settings.format}"}
    document["tables"] = tables
    (folder / FILE_NAME).write_text(tomlkit.dumps(document), encoding="utf-8")
    policy = tomlkit.document()
    policy.add(tomlkit.comment("The invitation rule: coaches have time for one in five, a few of them picked by chance."))
    policy.update({"target": "leave", "capacity_share": 0.2, "promote_at": [56, 84], "by_chance_share": 0.02})
    (folder / POLICY_FILE).write_text(tomlkit.dumps(policy), encoding="utf-8")
    write_settings(folder, settings)


def write_settings(folder: Path, settings: SynthSettings) -> None:
    """Write with which settings a folder was made."""
    (folder / SETTINGS_FILE).write_text(tomlkit.dumps(settings.model_dump(mode="json")), encoding="utf-8")
