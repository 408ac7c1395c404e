"""Tables that a caller brings along: streamed to disk under names that can name nothing else, and refused where they are not what they seem.

There is no archive to unpack. A name is one plain word with a suffix that tells a table, so it leads nowhere but into the upload's own folder;
`dataset.toml` may name those files alone; and a Parquet file that says it holds more rows than are allowed is not opened further.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from riskmodel.contract.definition import FILE_NAME, DatasetDefinition, read_definition
from riskmodel.errors import ModelFault, RiskModelError
from serving.own_definition import fitted
from serving.problems import Problem
from serving.settings import Settings

INCOMING = ".incoming-"
_TABLE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.(csv|parquet)$")
_MOST_FILES, _MOST_FIELD, _MOST_DEFINITION = 40, 200, 256 * 1024
# Most bytes of text, and most entries of a list, that a Parquet file's description may make room for.
_MOST_TEXT, _MOST_ENTRIES = 16 * 1024 * 1024, 1_000_000


@dataclass
class Upload:
    """What was sent: fields, and files in a folder.

    Attributes
    ----------
    folder : Path
        Where the files lie.
    fields : dict of str to str
    digests : dict of str to str
        SHA-256 of each file by its name.
    """

    folder: Path
    fields: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def on(self) -> dt.date:
        """The day as of which students are to be looked at.

        Raises
        ------
        Problem
            It was not sent, or is no day.
        """
        try:
            found = dt.date.fromisoformat(self.fields["on"])
        except (KeyError, ValueError):
            raise refused("on", "Give the day as of which the students are to be looked at, as 2026-11-02.") from None
        if not dt.date(1990, 1, 1) <= found <= dt.date(2100, 12, 31):
            raise refused("on", "This day lies outside 1990 to 2100.")
        return found

    @property
    def body(self) -> str:
        """Digest of all that was sent."""
        told = repr((sorted(self.fields.items()), sorted(self.digests.items())))
        return hashlib.sha256(told.encode()).hexdigest()


def refused(place: str, detail: str, status: int = 422) -> Problem:
    """Give the problem of an upload that is not taken."""
    return Problem(status, "upload-refused", detail, [{"pointer": f"/{place}", "detail": detail}])


def upload_place(settings: Settings, run_id: str) -> Path:
    """Give where the tables of a run lie that brought its own."""
    if settings.uploads_folder is None:
        raise RiskModelError("it was not said where uploads lie.", remedy="Set uploads_folder.")
    return settings.uploads_folder / run_id


@contextlib.asynccontextmanager
async def received(
    settings: Settings, content_type: str, stream: AsyncIterator[bytes], own: Callable[[], DatasetDefinition] | None = None
) -> AsyncIterator[Upload]:
    """Receive an upload piece by piece into a folder of its own, which is gone at the end unless it was moved away.

    Parameters
    ----------
    settings : Settings
    content_type : str
        The request's header, with the boundary between the parts.
    stream : async iterator of bytes
    own : callable, optional
        Gives the definition of the data that holds where none is sent.

    Yields
    ------
    Upload

    Raises
    ------
    Problem
        It is no form, holds a file that is not wanted, is cut off, or there is no room for it.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise refused("", "This is no form with files: the boundary is missing.")
    place = upload_place(settings, "").resolve()
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix=INCOMING, dir=place))
        try:
            parts = _Parts(folder)
            try:
                parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]
                async for piece in stream:
                    await run_in_threadpool(parser.write, piece)
            except ClientDisconnect:
                raise refused("", "The upload was cut off.") from None
            except FormParserError:
                raise refused("", "This is no form as RFC 7578 has it.") from None
            finally:
                parts.close()
            if not parts.whole:
                raise refused("", "The upload was cut off.")
            await run_in_threadpool(_check, parts.upload, settings, own)
            yield parts.upload
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        raise Problem(507, "no-room", "There is no room for this upload. Try again later.") from None


class _Parts:
    """Takes the parser's calls: short fields into memory, files to disk."""

    def __init__(self, folder: Path) -> None:
        self.upload = Upload(folder)
        self.whole = False
        self._header, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._name, self._file = "", ""
        self._text = bytearray()
        self._handle: IO[bytes] | None = None
        self._hash = hashlib.sha256()
        self._size = 0

    def callbacks(self) -> dict[str, Callable[..., None]]:
        """Give what the parser is to call."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_header,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._open,
            "on_part_data": self._on_data,
            "on_part_end": self._end,
            "on_end": self._whole,
        }

    def close(self) -> None:
        """Close a file that was cut off."""
        if self._handle is not None:
            self._handle.close()

    def _whole(self) -> None:
        self.whole = True

    def _begin(self) -> None:
        self._headers, self._header, self._value = {}, b"", b""

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._text, self._hash, self._size = bytearray(), hashlib.sha256(), 0
        if b"filename" not in options:
            if self._name != "on" or self._name in self.upload.fields:
                raise refused("", "Beside files there is one field, 'on', once.")
            return
        name = options[b"filename"].decode("utf-8", "replace")
        if name != FILE_NAME and not _TABLE.fullmatch(name):
            raise refused("files", f"A file is called {FILE_NAME}, or a plain name ending in .csv or .parquet, without folders.")
        if name.lower() in {each.lower() for each in self.upload.digests}:
            raise refused("files", "Two files have the same name.")
        if len(self.upload.digests) >= _MOST_FILES:
            raise refused("files", f"At most {_MOST_FILES} files go into one upload.")
        self._file = name
        self._handle = (self.upload.folder / name).open("xb")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._handle is None:
            if self._size > _MOST_FIELD:
                raise refused("on", "This is no day.")
            self._text += data[start:end]
            return
        if self._file == FILE_NAME and self._size > _MOST_DEFINITION:
            raise refused("files", f"{FILE_NAME} is larger than {_MOST_DEFINITION} bytes.")
        self._hash.update(data[start:end])
        self._handle.write(data[start:end])

    def _end(self) -> None:
        if self._handle is None:
            self.upload.fields[self._name] = self._text.decode("utf-8", "replace")
            return
        self._handle.close()
        self._handle = None
        self.upload.digests[self._file] = self._hash.hexdigest()


def _check(upload: Upload, settings: Settings, own: Callable[[], DatasetDefinition] | None) -> None:
    """Refuse what can't be a data folder before it is put in line."""
    if FILE_NAME not in upload.digests and own is None:
        raise refused("files", f"There is no {FILE_NAME} among the files.")
    try:
        definition = read_definition(upload.folder) if FILE_NAME in upload.digests else fitted(own(), upload.digests)  # type: ignore[misc]
    except ModelFault:
        raise refused("files", f"There is no {FILE_NAME} among the files, and no model serves whose own could hold.") from None
    except RiskModelError as error:
        place = f"files/{FILE_NAME}" if FILE_NAME in upload.digests else "files"
        raise refused(place, error.message) from None
    except RecursionError:
        raise refused(f"files/{FILE_NAME}", "This is nested too deep.") from None
    for table in _files_named(definition):
        if not _TABLE.fullmatch(table):
            raise refused(f"files/{FILE_NAME}", "A table's file is a plain name ending in .csv or .parquet, without folders or patterns.")
    groups = definition.tables.get("groups")
    if groups is not None and groups.file in upload.digests:
        raise refused("files", "Sensitive attributes are not looked at when students are scored. Leave that table out.")
    for name in upload.digests:
        if name.endswith(".parquet"):
            _check_parquet(upload.folder / name, settings)


def _files_named(definition: DatasetDefinition) -> list[str]:
    tables = [*definition.tables.values(), *(extra.table for extra in definition.extra if extra.table is not None)]
    return [table.file for table in tables]


def _check_parquet(file: Path, settings: Settings) -> None:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(file, thrift_string_size_limit=_MOST_TEXT, thrift_container_size_limit=_MOST_ENTRIES) as opened:
            described: Any = opened.metadata
            groups = [described.row_group(place) for place in range(described.num_row_groups)]
            rows = max(described.num_rows, sum(group.num_rows for group in groups))
            size = sum(group.total_byte_size for group in groups)
    except (ArrowException, OSError, ValueError):
        raise refused(f"files/{file.name}", "This is no Parquet file.") from None
    if rows > settings.most_upload_rows:
        raise refused(f"files/{file.name}", f"This table says it has more than {settings.most_upload_rows} rows.", 413)
    if size > 8 * settings.most_upload_bytes:
        raise refused(f"files/{file.name}", "This table says it is far larger than what may be sent.", 413)
