"""The service's settings, read once from the environment (`RISKMODEL_...`) and typed."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Settings(BaseSettings):
    """What one running service needs to know."""

    model_config = SettingsConfigDict(env_prefix="RISKMODEL_SERVICE_", extra="ignore", frozen=True)

    champion_folder: Path = Field(description="The folder that 'riskmodel promote' writes.")
    store_url: str = Field(description="SQLAlchemy URL of the store with published lists.")
    keys_file: Path = Field(description="The file with the keys to the store.")
    keys: str | None = Field(default=None, repr=False, description="The same keys as text, for systems that hand out secrets that way.")
    audit_heads: Path = Field(description="The file outside the database that notes the audit trail's codes.")
    words_file: Path | None = Field(default=None, description="An institution's own phrases.")
    most_bytes: int = Field(default=8 * 1024 * 1024, description="A larger request body is refused.")
    most_students: int = Field(default=1000, description="Most students in one call.")
    allowed_hosts: tuple[str, ...] = Field(
        default=("127.0.0.1", "localhost", "[::1]", "testserver"), description="Host headers that are answered."
    )
