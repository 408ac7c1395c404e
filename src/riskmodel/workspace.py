"""Where a data team's models, scores and registry live on disk: one folder, known places inside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from riskmodel.handed_out import FILE_NAME


@dataclass(frozen=True)
class Workspace:
    """The places inside one working folder; nothing is made until something is written."""

    folder: Path

    @property
    def tracking_uri(self) -> str:
        """MLflow's backend: an SQLite file."""
        return f"sqlite:///{self.registry.resolve().as_posix()}"

    @property
    def registry(self) -> Path:
        """The file that holds MLflow's runs and registered models."""
        return self.folder / "mlflow.db"

    @property
    def artefacts(self) -> Path:
        """Where MLflow keeps the files of its runs."""
        return self.folder / "mlruns"

    @property
    def tuning(self) -> Path:
        """The file that holds the trials of searches."""
        return self.folder / "tuning.db"

    @property
    def champion(self) -> Path:
        """The folder that `promote` writes and the service watches."""
        return self.folder / "champion"

    @property
    def keys(self) -> Path:
        """The keys to the service's store, unless it is configured otherwise."""
        return self.folder / "keys.json"

    @property
    def audit_heads(self) -> Path:
        """Where the audit trail's codes are noted outside the store."""
        return self.folder / "audit-heads.jsonl"

    @property
    def uploads(self) -> Path:
        """Where the tables of a run lie that a caller brought along, until it has ended."""
        return self.folder / "uploads"

    @property
    def shadow(self) -> Path:
        """Where lists on paper are kept that nobody is shown; the service does not look here."""
        return self.folder / "shadow"

    @property
    def store_url(self) -> str:
        """The service's database, unless it is configured otherwise."""
        return f"sqlite:///{self.store.resolve().as_posix()}"

    @property
    def store(self) -> Path:
        """The file of that database."""
        return self.folder / "store.db"

    @property
    def handed_out(self) -> Path:
        """The list of score files that were handed out."""
        return self.folder / FILE_NAME
