"""Keyed pseudonyms for person numbers: HMAC-SHA-256 (RFC 2104) under a key that stays with the institution. Shows neither numbers nor keys.

A plain hash would not do: there are few enough person numbers to hash them all. Without the key nobody can go back, or tell whether somebody is in it.
A chunk of a file is turned as it is read, so that no number reaches a table, a temporary file or a message.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from riskmodel.errors import RiskModelError
from riskmodel.files import writing_fault

PREFIX = "p-"
_BYTES = 15  # 120 bits: two of ten million students share a pseudonym with a chance under 1e-22, and the number fits DuckDB's HUGEINT
_KEY_BYTES = 32
_NUMBER = pa.decimal128(38, 0)


def normal(number: str) -> str:
    """Give a person number without spaces and leading zeros, which spreadsheets lose."""
    return number.strip().lstrip("0")


def pseudonyms(key: bytes, numbers: Iterable[str]) -> list[str]:
    """Give the pseudonym of each person number.

    Parameters
    ----------
    key : bytes
        From `read_key`.
    numbers : iterable of str
        Person numbers; spaces and leading zeros play no part.
    """
    return [PREFIX + _digest(key, number).hex() for number in numbers]


def keyed(key: bytes, numbers: pa.ChunkedArray) -> pa.Array:
    """Give pseudonyms as whole numbers of 120 bits, which take a third of the room of their text; null where there is no number.

    Parameters
    ----------
    key : bytes
        From `read_key`.
    numbers : pyarrow.ChunkedArray of text
        Person numbers.
    """
    encoded = pc.fill_null(numbers.combine_chunks(), "").dictionary_encode()
    told = encoded.dictionary.to_pylist()
    turned = b"".join(_digest(key, number)[::-1] + b"\0" for number in told)
    values = pa.Array.from_buffers(_NUMBER, len(told), [None, pa.py_buffer(turned)])
    there = pa.array([bool(normal(number)) for number in told], pa.bool_())
    return pc.if_else(there, values, pa.scalar(None, _NUMBER)).take(encoded.indices)


def text_sql(column: str) -> str:
    """SQL: the pseudonym as text, of a column that holds it as a number."""
    return f"'{PREFIX}' || lower(lpad(to_hex({column}), {2 * _BYTES}, '0'))"


def _digest(key: bytes, number: str) -> bytes:
    return hmac.digest(key, normal(number).encode(), hashlib.sha256)[:_BYTES]


def key_check(key: bytes) -> str:
    """Give a short text by which a key is recognised, and from which it can't be found."""
    return hmac.digest(key, b"riskmodel: which key", hashlib.sha256).hex()[:12]


def new_key() -> bytes:
    """Draw a random key; nothing is written."""
    return secrets.token_bytes(_KEY_BYTES)


def write_key(path: Path, key: bytes) -> None:
    """Write a key, readable by its owner alone.

    Raises
    ------
    RiskModelError
        Something stands there, or the place can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(key.hex() + "\n")
    except FileExistsError:
        raise RiskModelError("a key stands there already.", place=str(path), remedy="Use it, or name another file.") from None
    except OSError as error:
        raise writing_fault(error, path) from error


def read_key(path: Path) -> bytes:
    """Read a key.

    Raises
    ------
    RiskModelError
        The file is missing, can't be read or holds no key.
    """
    try:
        told = path.read_bytes().strip()
    except OSError as error:
        raise RiskModelError(
            f"the key can't be read ({error.strerror}).", place=str(path), remedy="Name the key that the import was made with, with --key."
        ) from None
    if not re.fullmatch(rb"[0-9a-fA-F]{32,}", told) or len(told) % 2:
        raise RiskModelError(
            "this file holds no key: a key is one line of at least 32 hexadecimal signs.",
            place=str(path),
            remedy="Name the right file with --key; where it does not exist 'riskmodel data import-1cho' makes one.",
        )
    return bytes.fromhex(told.decode("ascii"))


def open_to_others(path: Path) -> bool:
    """Tell whether others on this machine may read a key (never known on Windows)."""
    return os.name == "posix" and bool(path.stat().st_mode & 0o077)


def require_outside(path: Path, folder: Path) -> None:
    """Refuse a key inside a data folder: whoever is handed the folder could then try all numbers.

    Raises
    ------
    RiskModelError
        It lies inside.
    """
    if path.resolve().is_relative_to(folder.resolve()):
        raise RiskModelError(
            "the key may not lie in the data folder that it protects.",
            place=str(path),
            remedy="Name a file elsewhere with --key, where only those who may link students can read it.",
        )
