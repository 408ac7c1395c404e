"""The service's settings: typed, read once from the environment, a file and the workspace, in that order of precedence."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from sqlalchemy.engine import make_url

from riskmodel.errors import ConfigurationFault
from riskmodel.workspace import Workspace
from serving.letters.mail import Mail
from serving.store.keys import Keys, read_keys
from serving.store.retention import Periods
from serving.store.schema import SECRET_PARTS

PREFIX = "RISKMODEL_SERVICE_"
FILE_VARIABLE = "RISKMODEL_SERVICE_CONFIG"
FILE_NAME = "service.toml"
DESK_NAME = "desk.toml"
LETTER_NAME = "letter.toml"
FOLDER_NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"


class Settings(BaseSettings):
    """What one running service needs to know."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    champion_folder: Path = Field(description="The folder that 'riskmodel promote' writes.")
    store_url: SecretStr = Field(description="SQLAlchemy URL of the store; it may hold a password.")
    keys_file: Path = Field(description="The file with the keys to the store.")
    keys: SecretStr | None = Field(default=None, description="The same keys as text, for systems that hand out secrets that way.")
    audit_heads: Path = Field(description="The file outside the database that notes the audit trail's codes.")
    store_connections: int = Field(default=10, gt=0, description="Most connections to the database of one process.")
    store_seconds: float = Field(
        default=3.0, gt=0, le=60, description="How long a request waits for the database before it is told to come back."
    )
    answer_seconds: float = Field(default=20.0, gt=0, description="A request that nothing answers by then is told to come back.")
    words_file: Path | None = Field(default=None, description="An institution's own phrases.")
    desk_file: Path | None = Field(default=None, description="What help there is here, and what things are called; see docs/desk.md.")
    letter_file: Path | None = Field(default=None, description="The institution's own invitation; see docs/letters.md.")
    access_file: Path | None = Field(default=None, description="Who may log in, and as what; see docs/access.md.")
    oidc_secret: SecretStr | None = Field(default=None, description="The secret that the provider gave this client.")
    public_url: str | None = Field(
        default=None, description="The address that people's browsers use, where a proxy stands before the service."
    )
    secure_cookies: bool = Field(default=True, description="Whether cookies are sent over TLS alone; off on this machine alone.")
    idle_minutes: int = Field(default=30, gt=0, description="Without a request for so long, somebody is logged out.")
    absolute_hours: int = Field(default=10, gt=0, description="After so long, somebody is logged out in any case.")
    mail: Mail | None = Field(default=None, description="The mail server that invitations go through; without one they are printed.")
    demo: bool = Field(default=False, description="Whether people choose themselves who to be; only with people who do not exist.")
    retention: Periods = Field(default=Periods(), description="For how many days each kind of data is kept; see docs/rights.md.")
    most_bytes: int = Field(default=16 * 1024 * 1024, gt=0, description="A larger request body is refused.")
    most_students: int = Field(default=1000, gt=0, le=1000, description="Most students in one call.")
    requests_a_minute: int = Field(default=6000, gt=0, description="Most requests a minute of one caller to the API, over all processes.")
    run_folders: dict[Annotated[str, Field(pattern=FOLDER_NAME)], Path] = Field(
        default={}, description="Data folders whose students may be scored by a run, by the name that callers use."
    )
    accept_uploads: bool = Field(default=False, description="Whether a run may bring its tables along.")
    uploads_folder: Path | None = Field(default=None, description="Where they lie until the run has ended; workers need to reach it too.")
    most_upload_bytes: int = Field(default=512 * 1024 * 1024, gt=0, description="A larger upload is refused.")
    most_upload_rows: int = Field(default=20_000_000, gt=0, description="A Parquet table that says it has more rows is refused.")
    most_waiting_runs: int = Field(default=20, gt=0, description="While so many runs wait, no other is taken.")
    run_workers: int = Field(default=1, ge=0, le=16, description="Workers that 'riskmodel serve' starts, where runs are possible at all.")
    run_chunk: int = Field(default=200, gt=0, le=5000, description="How many students of a run are kept in one transaction.")
    run_lease_seconds: float = Field(default=30, gt=0, description="A worker that is not heard of for so long has lost its run to another.")
    run_attempts: int = Field(
        default=10, gt=0, description="A run that so many workers in a row died of without a step further has failed."
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=("127.0.0.1", "localhost", "[::1]", "testserver"), description="Host headers that are answered."
    )


@dataclass(frozen=True)
class Told:
    """One setting as it is in force.

    Attributes
    ----------
    name, value : str
        A secret is masked.
    source : str
        'environment', the file, 'workspace' or 'default'.
    description : str
    """

    name: str
    value: str
    source: str
    description: str


def workspace_settings(place: Workspace) -> dict[str, Any]:
    """Give where a workspace keeps what the service needs; what the file and the environment say goes before it."""
    named = {"desk_file": place.folder / DESK_NAME, "letter_file": place.folder / LETTER_NAME}
    return {name: file for name, file in named.items() if file.exists()} | {
        "champion_folder": place.champion,
        "store_url": place.store_url,
        "keys_file": place.keys,
        "audit_heads": place.audit_heads,
        "uploads_folder": place.uploads,
    }


def settings_file(place: Workspace, environment: Mapping[str, str] = os.environ) -> Path:
    """Give the file that settings are read from where it is there: the one that the environment names, else the workspace's."""
    return Path(environment.get(FILE_VARIABLE, place.folder / FILE_NAME))


def read_settings(place: Workspace, **given: Any) -> Settings:
    """Read the settings once.

    Parameters
    ----------
    place : Workspace
    **given
        What the command line says; it goes before all else.

    Raises
    ------
    ConfigurationFault
        The file is absent though named, is no TOML, or a key or a value is wrong; for an unknown key the nearest right name is told.
    """
    file = settings_file(place)
    _refuse_unknown(file)
    workspace = workspace_settings(place)

    class Here(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (
                init_settings,
                env_settings,
                TomlConfigSettingsSource(settings_cls, file),
                InitSettingsSource(settings_cls, workspace),
            )

    try:
        return Here(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        faults = "; ".join(_told_fault(fault["loc"], fault["type"], fault["msg"]) for fault in error.errors(include_input=False))
        raise ConfigurationFault(
            f"{faults}.", place=f"{file} and {PREFIX}...", remedy="docs/production.md has a file to begin with."
        ) from None


def _told_fault(place: tuple[int | str, ...], kind: str, message: str) -> str:
    """Give a fault with its place; for a name that there is not within a setting, the nearest that there is."""
    told = ".".join(map(str, place))
    within = Settings.model_fields[str(place[0])].annotation if place and place[0] in Settings.model_fields else None
    if kind == "extra_forbidden" and isinstance(within, type) and issubclass(within, BaseModel):
        return f"there is no setting '{told}'; did you mean '{place[0]}.{_nearest(str(place[-1]), tuple(within.model_fields))}'"
    return f"{told}: {message}"


def _refuse_unknown(file: Path) -> None:
    names = tuple(Settings.model_fields)
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable != FILE_VARIABLE and variable.removeprefix(PREFIX).lower().split("__")[0] not in names:
            right = _nearest(variable.removeprefix(PREFIX).lower(), names)
            raise ConfigurationFault("there is no such setting.", place=variable, remedy=f"Did you mean {PREFIX}{right.upper()}?")
    if not file.exists():
        if FILE_VARIABLE in os.environ:
            raise ConfigurationFault("this file is not there.", place=str(file), remedy=f"Mend {FILE_VARIABLE}.")
        return
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationFault(f"this is not valid TOML: {error}.", place=str(file), remedy="Mend the line that is named.") from None
    for name in told:
        if name not in names:
            raise ConfigurationFault(f"there is no setting '{name}'.", place=str(file), remedy=f"Did you mean '{_nearest(name, names)}'?")


def _nearest(name: str, names: tuple[str, ...]) -> str:
    return (difflib.get_close_matches(name, names, n=1, cutoff=0.0) or [names[0]])[0]


def told_settings(settings: Settings, place: Workspace) -> list[Told]:
    """Give every setting that is in force, with where it comes from; secrets are masked."""
    file = settings_file(place)
    in_file = tomllib.loads(file.read_text(encoding="utf-8-sig")) if file.exists() else {}
    found = []
    for name, field in Settings.model_fields.items():
        if f"{PREFIX}{name}".upper() in os.environ:
            source = "environment"
        elif name in in_file:
            source = str(file)
        else:
            source = "workspace" if name in workspace_settings(place) else "default"
        value = getattr(settings, name)
        shown = _masked(name, value) if isinstance(value, SecretStr) else str(value)
        found.append(Told(name, shown, source, field.description or ""))
    return found


def _masked(name: str, value: SecretStr) -> str:
    if name != "store_url":
        return "***"
    url = make_url(value.get_secret_value())
    hidden = {part: "***" for part in url.query if part in SECRET_PARTS}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def keys_in(settings: Settings) -> Keys:
    """Read the keys to the store from where the settings say.

    Raises
    ------
    ConfigurationFault
        There are none, or they are damaged.
    """
    return read_keys(settings.keys_file, None if settings.keys is None else settings.keys.get_secret_value())
