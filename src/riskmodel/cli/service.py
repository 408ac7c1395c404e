"""`riskmodel serve`."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from riskmodel.cli.context import say, workspace
from riskmodel.errors import RiskModelError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    host: Annotated[str, typer.Option(help="Only the loopback address, until people can log in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8000,
    words: Annotated[Path | None, typer.Option(help="A file with an institution's own phrases.")] = None,
) -> None:
    """Serve the coach's pages and the scoring API on this machine."""
    import uvicorn

    from riskmodel.cli.store import open_store
    from serving.app import create_app
    from serving.observing import configure_logging
    from serving.settings import read_settings

    require_loopback(host)
    require_free(host, port)
    place = workspace()
    with open_store(place):
        pass  # a new store is made here, in a workspace of one's own
    settings = read_settings(place, words_file=words)
    configure_logging()
    app = create_app(settings)
    shown = f"[{host}]" if ":" in host else host
    say(f"Coach's page:          http://{shown}:{port}/")
    say(f"API's documentation:   http://{shown}:{port}/docs")
    say("Stop with Ctrl-C.")
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, server_header=False)


def require_loopback(host: str) -> None:
    """Refuse an address that others can reach.

    Raises
    ------
    RiskModelError
        The address is not the loopback address.
    """
    if host not in _LOOPBACK:
        raise RiskModelError(
            f"{host} can be reached by others, and the service does not know yet who may see which student.",
            remedy="Leave --host out: it then listens on 127.0.0.1, which only this machine reaches.",
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
