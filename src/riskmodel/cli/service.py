"""`riskmodel serve`."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riskmodel.champion import current
from riskmodel.cli.context import say, workspace
from riskmodel.cli.runs import workers_beside
from riskmodel.errors import RiskModelError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from serving.settings import Settings
    from serving.store.weeks import Store

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    host: Annotated[str, typer.Option(help="Another address than this machine's own only where people log in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8000,
    words: Annotated[Path | None, typer.Option(help="A file with an institution's own phrases.")] = None,
    access: Annotated[Path | None, typer.Option(help="The file that says who may log in, and as what; see docs/access.md.")] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Let people choose who to be; on this machine, with students who do not exist.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that serve together; at most one per core is of use.")] = 1,
) -> None:
    """Serve the coach's pages and the scoring API."""
    import uvicorn

    from riskmodel.cli.store import open_store
    from serving.app import create_app
    from serving.observing import configure_logging
    from serving.process import settle
    from serving.settings import read_settings

    place = workspace()
    settings = read_settings(place, words_file=words, access_file=access, demo=demo or None, secure_cookies=False if demo else None)
    require_free(host, port)
    with open_store(place) as store:  # a new store is made here, in a workspace of one's own
        require_somebody(host, settings, store)
    configure_logging()
    app: FastAPI | str = "serving.process:application"
    if workers == 1:
        app = create_app(settings)
        settle()
    shown = f"[{host}]" if ":" in host else host
    if not current(place.champion):
        say(f"No model was promoted in {place.folder} yet, so no student can be scored; one that is promoted is taken up at once.")
    say(f"Coach's page:          http://{shown}:{port}/")
    say(f"API's documentation:   http://{shown}:{port}/docs")
    say("Stop with Ctrl-C.")
    with workers_beside(place, settings), contextlib.nullcontext() if workers == 1 else for_workers(settings):
        uvicorn.run(
            app,
            host=host,
            port=port,
            workers=workers,
            factory=workers > 1,
            log_level="warning",
            log_config=None,  # configure_logging stands, which tells nobody's data
            access_log=False,
            server_header=False,
        )


@contextlib.contextmanager
def for_workers(settings: Settings) -> Iterator[None]:
    """Let the processes that serve together know what this one was told, by the environment, as long as they run.

    Parameters
    ----------
    settings : Settings
        What the command line said goes before what the environment held.
    """
    from serving.process import TOGETHER, WORKSPACE
    from serving.settings import PREFIX

    told: dict[str, object] = {"words_file": settings.words_file, "access_file": settings.access_file}
    told |= {"demo": settings.demo, "secure_cookies": settings.secure_cookies}
    for name, value in told.items():
        if value is not None:
            os.environ[f"{PREFIX}{name.upper()}"] = str(value)
    os.environ[WORKSPACE] = str(workspace().folder)
    with tempfile.TemporaryDirectory(prefix="riskmodel-counts-") as counts:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = counts  # each process counts there, and /metrics adds up
        os.environ[TOGETHER] = counts  # and there requests by caller, whose limit holds over all
        yield


def require_somebody(host: str, settings: Settings, store: Store) -> None:
    """Refuse to serve where everybody could come in, or nobody.

    Parameters
    ----------
    host : str
        Where it is to listen.
    settings : Settings
    store : Store

    Raises
    ------
    RiskModelError
        The demo is to be reached by others or holds people who may exist; people would log in without TLS; or nobody could log in at all.
    """
    from serving.access.tokens import list_tokens
    from serving.store.weeks import holds_real_people, now

    others = host not in LOOPBACK
    with store.session() as session:
        if settings.demo:
            if others:
                raise RiskModelError(
                    f"{host} can be reached by others, and in the demo everybody chooses who to be.",
                    remedy="Leave --host out: it then listens on 127.0.0.1, which only this machine reaches.",
                )
            if holds_real_people(session):
                raise RiskModelError(
                    "the store holds lists of people who may exist, and in the demo everybody chooses who to be.",
                    place=store.engine.url.render_as_string(),
                    remedy="Serve without --demo, or use another workspace.",
                )
            return
        if settings.access_file is None:
            living = any(token.revoked_at is None and token.ends_at > now() for token in list_tokens(session))
            if others or not living:
                raise RiskModelError(
                    "nobody could log in." if not others else f"{host} can be reached by others, and it was not said who may log in.",
                    remedy="Name a file with --access (see docs/access.md); for students who do not exist, use --demo.",
                )
        elif others and not settings.secure_cookies:
            raise RiskModelError(
                f"{host} can be reached by others, and secure_cookies is off.",
                remedy="Leave it on, and put a proxy with TLS before the service.",
            )


def require_free(host: str, port: int) -> None:
    """Refuse a port that something listens on already.

    Raises
    ------
    RiskModelError
        The port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if probe.connect_ex((host, port)) == 0:
            raise RiskModelError(f"something listens on port {port} already.", remedy="Stop it, or choose another with --port.")
