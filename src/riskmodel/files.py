"""Writing files so that a reader sees the old one or the new one, never half of either."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from riskmodel.errors import RiskModelError

# Less free space than this, in bytes, holds nothing of use.
_PROBED = 64 * 1024
# What a Windows machine says of a file that is open in Excel, too.
_NOT_ALLOWED = (
    "you may not write here, or the file is open in another program",
    "Close it there, or choose a folder that you may write to; nothing was changed.",
)
_IN_THE_WAY = ("a file stands where a folder is needed", "Choose another name or move that file away.")
_REMEDIES = {
    errno.ENOSPC: ("the disk is full", "Free some space or choose another folder; nothing was changed."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space or choose another folder; nothing was changed."),
    errno.EROFS: ("this place is read-only", "Choose a folder that you may write to; nothing was changed."),
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.ENOENT: ("this place does not exist and can't be made", "Choose another folder."),
    errno.EISDIR: ("a folder stands where a file is needed", "Choose another name or move that folder away."),
}


def _umask() -> int:
    """Give the rights that this user's files do without; reading them means setting them for a moment."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def writing_fault(error: OSError, place: Path | str) -> RiskModelError:
    """Turn an operating system's error while writing into one that says what to do."""
    what, remedy = _REMEDIES.get(
        error.errno or 0, (f"writing failed ({error.strerror or error})", "Check the disk and the rights on this folder.")
    )
    return RiskModelError(f"{what}.", place=str(place), remedy=remedy)


def require_writable(folder: Path) -> None:
    """Refuse a folder that can't be written to before long work begins; nothing is left behind, and the folder is not made.

    Raises
    ------
    RiskModelError
        The disk is full, read-only or closed to this user, or a file stands in the way.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(bytes(_PROBED))
    except OSError as error:
        raise writing_fault(error, folder) from error


@contextlib.contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; it takes the target's place only when the block ends well.

    Parameters
    ----------
    target : Path
        The file to write. Its folder is made where it is missing.

    Yields
    ------
    Path
        Where to write, with the same suffix as `target`.

    Raises
    ------
    RiskModelError
        The disk is full, read-only or closed to this user. `target` is as it was.
    """
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix)
        os.close(handle)
        temporary = Path(name)
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise writing_fault(error, target) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; it takes the target's place only when the block ends well.

    Parameters
    ----------
    target : Path
        The folder to write.
    replace : bool
        Whether an existing, non-empty target may be replaced.

    Raises
    ------
    RiskModelError
        The target exists and `replace` is false, or the disk is full, read-only or closed to this user.
    """
    if target.exists() and not replace and (not target.is_dir() or any(target.iterdir())):
        raise RiskModelError("something stands there already.", place=str(target), remedy="Choose a new folder or empty this one first.")
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        if target.exists():
            aside = temporary.with_name(temporary.name + "-old")
            target.replace(aside)
            temporary.replace(target)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            temporary.replace(target)
        temporary = None
    except OSError as error:
        raise writing_fault(error, target) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
