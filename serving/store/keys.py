"""The keys that guard personal data at rest: read from a file or the environment, never written to the database, never shown.

Two kinds of secret are kept apart because they age differently: encryption keys can be rotated at any time, while the secrets that make pseudonyms
and the audit chain must stay what they are, or nobody could be found and nothing could be verified any more.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from riskmodel.errors import ConfigurationFault, RiskModelError
from riskmodel.files import atomic_file

_SECRET_BYTES = 32


class _KeyFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    encryption: tuple[str, ...] = Field(min_length=1, description="Fernet keys; the first one encrypts, all of them decrypt.")
    pseudonym: str = Field(pattern="^[0-9a-f]{64}$")
    audit: str = Field(pattern="^[0-9a-f]{64}$")


@dataclass(frozen=True, repr=False)
class Keys:
    """The service's secrets.

    Attributes
    ----------
    encryption : tuple of str
        Fernet keys, newest first.
    pseudonym, audit : bytes
        Secrets of the digests that stand for people, and of the audit chain.
    """

    encryption: tuple[str, ...]
    pseudonym: bytes
    audit: bytes

    def __repr__(self) -> str:
        return f"Keys({len(self.encryption)} for encryption)"

    @property
    def _box(self) -> MultiFernet:
        return MultiFernet([Fernet(key) for key in self.encryption])

    def digest(self, kind: str, identity: str) -> str:
        """Give the pseudonym of an identity, 64 hexadecimal digits; the same each time, and of no use without the key.

        Parameters
        ----------
        kind : str
            What is identified ('student', 'enrolment', 'actor'), so that equal numbers of different kinds can't be linked.
        identity : str
        """
        return hmac.digest(self.pseudonym, f"{kind}\0{identity}".encode(), "sha256").hex()

    def seal(self, text: str) -> str:
        """Encrypt a text (Fernet: AES-128 in CBC mode with HMAC-SHA-256)."""
        return self._box.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Decrypt what `seal` gave.

        Raises
        ------
        RiskModelError
            None of these keys fits.
        """
        try:
            return self._box.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise RiskModelError("the store was written with other keys.", remedy="Put the keys back that belong to this store.") from None

    def reseal(self, sealed: str) -> str:
        """Encrypt anew with the newest key what an older one encrypted."""
        try:
            return self._box.rotate(sealed.encode()).decode()
        except InvalidToken:
            raise RiskModelError("the store was written with other keys.", remedy="Put the keys back that belong to this store.") from None

    def with_new(self) -> Keys:
        """Give the same keys with a fresh one for encryption before them."""
        return Keys((Fernet.generate_key().decode(), *self.encryption), self.pseudonym, self.audit)

    def newest_only(self) -> Keys:
        """Give the same keys without the older ones for encryption."""
        return Keys(self.encryption[:1], self.pseudonym, self.audit)


def make_keys() -> Keys:
    """Draw fresh keys from the operating system's source of randomness."""
    return Keys((Fernet.generate_key().decode(),), secrets.token_bytes(_SECRET_BYTES), secrets.token_bytes(_SECRET_BYTES))


def read_keys(path: Path, environment: str | None = None) -> Keys:
    """Read keys from the environment's text where there is one, else from a file.

    Parameters
    ----------
    path : Path
        The key file, JSON.
    environment : str, optional
        The same JSON as text, for systems that hand out secrets that way.

    Raises
    ------
    ConfigurationFault
        There are no keys, or they are not what `write_keys` writes. The secrets themselves are never told.
    """
    place = str(path) if environment is None else "the keys that came as text"
    try:
        text = path.read_text(encoding="utf-8") if environment is None else environment
        told = _KeyFile.model_validate(json.loads(text))
        for key in told.encryption:
            Fernet(key)
    except FileNotFoundError:
        raise ConfigurationFault(
            "there are no keys for the store.",
            place=place,
            remedy="Make them with 'riskmodel keys make', or put the file back from its backup.",
        ) from None
    except OSError as error:
        raise ConfigurationFault(
            f"the keys can't be read ({error.strerror}).", place=place, remedy="Give this user the right to."
        ) from None
    except ValidationError as error:
        names = ", ".join(sorted({".".join(map(str, fault["loc"])) or "the whole" for fault in error.errors(include_input=False)}))
        raise ConfigurationFault(f"these are no keys of this product: see {names}.", place=place, remedy="Put the file back.") from None
    except ValueError:
        raise ConfigurationFault("these are no keys of this product.", place=place, remedy="Put the file back from its backup.") from None
    return Keys(told.encryption, bytes.fromhex(told.pseudonym), bytes.fromhex(told.audit))


def write_keys(keys: Keys, path: Path) -> None:
    """Write keys to a file that its owner alone may read, whole or not at all."""
    content: dict[str, Any] = {"encryption": list(keys.encryption), "pseudonym": keys.pseudonym.hex(), "audit": keys.audit.hex()}
    with atomic_file(path) as temporary:
        if os.name == "posix":
            temporary.chmod(0o600)
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def begin_keys(path: Path) -> None:
    """Write the keys to a new store, unless another process that begins with the same store has written its own: those stand.

    Parameters
    ----------
    path : Path
    """
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    write_keys(make_keys(), draft)
    try:
        os.link(draft, path)
    except OSError:  # it is there already, or this disk knows no links
        if not path.exists():
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
