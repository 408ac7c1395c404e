"""`riskmodel`: registers the commands, and turns every failure into one line that names place and remedy."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from riskmodel import __version__
from riskmodel.cli import (
    access,
    comparing,
    context,
    data,
    demo,
    documents,
    fairness,
    models,
    monitoring,
    onecijferho,
    operations,
    oulad,
    registry,
    retention,
    rights,
    routing,
    runs,
    scoring,
    service,
    shadow,
    signals,
    store,
    synth,
    tuning,
    year,
)
from riskmodel.errors import RiskModelError
from riskmodel.files import writing_fault
from riskmodel.native import require_openmp

EXIT_UNEXPECTED = 70
EXIT_INTERRUPTED = 130
_INTERRUPTED = "Interrupted; nothing was left half-written."

app = typer.Typer(
    name="riskmodel",
    help="Early warning for higher education: who may leave, said with reasons, for as many talks as the coaches have time for.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data.app.command("synth")(synth.synth)
data.app.command("import-oulad")(oulad.import_oulad)
data.app.command("import-1cho")(onecijferho.import_1cho)
data.app.command("link")(onecijferho.link)
app.add_typer(data.app, name="data")
app.add_typer(shadow.app, name="shadow")
app.command()(models.train)
app.command()(tuning.tune)
app.command("learning-curve")(models.learning_curve)
app.command()(models.evaluate)
app.command()(models.promote)
app.command()(registry.rollback)
app.command("models")(registry.list_models)
app.command()(registry.reproduce)
app.command()(comparing.compare)
app.command()(signals.signals)
app.command()(fairness.fairness)
app.command()(monitoring.monitor)
app.command()(documents.document)
app.command()(scoring.score)
app.command()(scoring.publish)
app.command()(routing.route)
app.command()(service.serve)
app.command()(runs.worker)
app.command("run-scores")(runs.run_scores)
app.command()(demo.demo)
app.add_typer(store.store_app, name="store")
app.add_typer(store.keys_app, name="keys")
app.add_typer(store.audit_app, name="audit")
app.add_typer(operations.config_app, name="config")
app.add_typer(access.token_app, name="token")
app.add_typer(rights.rights_app, name="rights")
app.add_typer(retention.retention_app, name="retention")
app.add_typer(year.year_app, name="year")
app.command("stand-in")(access.stand_in)
app.command()(operations.doctor)


def _version(asked: bool) -> None:
    if asked:
        context.say(f"riskmodel {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    workspace: Annotated[
        Path, typer.Option(envvar="RISKMODEL_WORKSPACE", help="Where models, registry and scores are kept.", show_default=True)
    ] = Path("workspace"),
    by: Annotated[str, typer.Option(envvar="RISKMODEL_BY", help="Who does this, for the record; your login by default.")] = "",
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure; may stand anywhere in the call.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")] = False,
) -> None:
    context.options.workspace = workspace
    context.options.by = by.strip()


def run(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit.

    Exit codes: 0 done; 1 not the same (reproduce); 2 something in the call or the data is to be mended; 3 refused (a challenger that did not
    earn its place, no way back, an audit trail that does not hold); 4 and 5 a watch that is amber or red; 70 a defect of the product; 130
    interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        require_openmp()
        with rights.rights_hold():
            code = app(args=[argument for argument in given if argument != "--debug"], prog_name="riskmodel", standalone_mode=False)
        if code == EXIT_INTERRUPTED:  # what Typer makes of Ctrl-C
            raise KeyboardInterrupt
    except (KeyboardInterrupt, typer.Abort):
        _fail(KeyboardInterrupt(), debug, _INTERRUPTED, EXIT_INTERRUPTED)
    except typer.Exit as ending:
        sys.exit(ending.exit_code)
    except Exception as error:
        usage = getattr(error, "format_message", None)
        if usage is not None:
            _fail(error, debug, f"{usage().rstrip('.')}. See 'riskmodel --help'.", 2)
        if _is_interruption(error):
            _fail(KeyboardInterrupt(), debug, _INTERRUPTED, EXIT_INTERRUPTED)
        told = _told(error)
        if told is not None:
            _fail(error, debug, str(told), told.exit_code)
        what = f"This should not have happened ({type(error).__name__}: {_first_line(error)}). Please report it; --debug shows where."
        _fail(error, debug, what, EXIT_UNEXPECTED)
    if code == EXIT_INTERRUPTED:  # Typer catches the interruption itself
        _fail(KeyboardInterrupt(), debug, _INTERRUPTED, EXIT_INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(error: BaseException, debug: bool, message: str, code: int) -> None:
    if debug and not isinstance(error, KeyboardInterrupt):
        raise error
    print(f"riskmodel: {message}", file=sys.stderr, flush=True)
    sys.exit(code)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_interruption(error: Exception) -> bool:
    """Tell whether a person stopped a query: DuckDB gives an error of its own instead of a KeyboardInterrupt."""
    return any("query interrupted" in str(cause).lower() or type(cause).__name__ == "InterruptException" for cause in _causes(error))


def _told(error: Exception) -> RiskModelError | None:
    """Give what a person can do about an error, where it is one of the machine's and not of the product."""
    for cause in _causes(error):
        if isinstance(cause, RiskModelError):
            return cause
        if isinstance(cause, OSError) and cause.errno in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EROFS,
            errno.EACCES,
            errno.EPERM,
            errno.ENOTDIR,
            errno.EEXIST,
        ):
            return writing_fault(cause, cause.filename or "this folder")
        text = str(cause).lower()
        if "no space left on device" in text or "disk is full" in text:
            return writing_fault(OSError(errno.ENOSPC, ""), context.options.workspace)
        if "readonly database" in text or "unable to open database file" in text or "read-only file system" in text:
            return writing_fault(OSError(errno.EROFS, ""), context.options.workspace)
        if isinstance(cause, MemoryError):
            return RiskModelError("there is not enough memory for this.", remedy="Close other programs or use a machine with more.")
    return None


if __name__ == "__main__":
    run()
