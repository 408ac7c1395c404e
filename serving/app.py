"""The service: API, pages and store put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from riskmodel import __version__
from riskmodel.errors import ModelFault
from serving.access.configuration import read_access
from serving.access.guard import FILES, unguarded
from serving.access.login import Login
from serving.access.origin import SameOrigin
from serving.access.provider_tokens import ProviderTokens
from serving.access.tokens import Remembered
from serving.batches import Batches
from serving.champions import Champions
from serving.desk_file import read_desk
from serving.letters.file import read_letters
from serving.middleware import BodyLimit, Deadline, SecurityHeaders, Unforeseen
from serving.observing import Metrics, Observed
from serving.openapi import TITLE, operation_id
from serving.pages import acts, desk, invitation, letters, login, me, overview, problems, student, teaching
from serving.pages import routes as pages
from serving.pages.access import add_access_handlers
from serving.pages.rendering import TEXTS, error_page, today
from serving.pages.seen import today_of_demo
from serving.problems import add_problem_handlers, unexpected
from serving.rates import Rates
from serving.routes import contract, health, history, invitations, metrics, models, rights, runs, scores
from serving.settings import Settings, keys_in
from serving.store.audit import note_head
from serving.store.rights import require_applied
from serving.store.schema import Patience, connect, require_newest
from serving.store.weeks import Store, now

ROUTERS = (
    scores.router,
    runs.router,
    history.router,
    invitations.router,
    models.router,
    rights.router,
    health.router,
    metrics.router,
    contract.router,
    pages.router,
    desk.router,
    student.router,
    acts.router,
    letters.router,
    invitation.router,
    teaching.router,
    me.router,
    overview.router,
    problems.router,
    login.router,
)


def create_app(settings: Settings, together: Path | None = None) -> FastAPI:
    """Put the service together.

    Parameters
    ----------
    settings : Settings
    together : Path, optional
        A folder in which several processes that serve together count requests by caller.

    Returns
    -------
    FastAPI
        Ready to be served; models are loaded and explanations prepared when it starts.

    Raises
    ------
    RiskModelError
        The store can't be reached, or its schema is not this version's; the command that mends it is named.
    ConfigurationFault
        There are no keys to the store, or `access.toml` can't be read.
    """
    patience = Patience(settings.store_connections, settings.store_seconds)
    store = Store(connect(settings.store_url.get_secret_value(), patience), keys_in(settings), settings.audit_heads)
    require_newest(store.engine)
    with store.session() as session:
        require_applied(session, store.heads)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.batches = Batches(store)  # of this start: what stopped takes no more work
        with suppress(ModelFault):  # /readyz says so; the service waits for a promotion
            app.state.champions.get()
        yield
        with suppress(SQLAlchemyError, OSError):  # a store that is away must not keep the service from stopping
            note_head(store.engine, settings.audit_heads, now())
        app.state.batches.close()
        store.engine.dispose()

    app = FastAPI(
        title=TITLE,
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
    )
    app.state.settings = settings
    app.state.champions = Champions(settings.champion_folder, settings.words_file)
    app.state.store = store
    app.state.tokens = Remembered()
    app.state.metrics = Metrics()
    app.state.rates = Rates(settings.requests_a_minute, together)
    app.state.access = None if settings.access_file is None else read_access(settings.access_file)
    app.state.login = None if app.state.access is None else Login(app.state.access, settings)
    by_provider = app.state.access is not None and app.state.access.machines is not None
    app.state.provider_tokens = ProviderTokens(app.state.access) if by_provider else None
    app.state.desk = read_desk(settings.desk_file, TEXTS)
    app.state.letters = read_letters(settings.letter_file)
    app.state.today = partial(today_of_demo, store) if settings.demo else today
    for router in ROUTERS:
        app.include_router(router)
    app.mount(FILES, StaticFiles(directory=Path(__file__).with_name("static")), name="static")
    if missing := unguarded(app):
        raise RuntimeError(f"no guard stands at {', '.join(missing)}")
    add_problem_handlers(app, error_page)
    add_access_handlers(app)

    async def answer_unforeseen(request: Request, error: Exception) -> Response:
        return unexpected(request, error_page)

    app.add_middleware(Unforeseen, answer=answer_unforeseen)
    if app.state.login is not None:
        # Keeps state and nonce of a login under way, and nothing else.
        secret = store.keys.digest("cookie", "login")
        app.add_middleware(
            SessionMiddleware, secret_key=secret, session_cookie="login", max_age=600, path="/login", https_only=settings.secure_cookies
        )
    app.add_middleware(SameOrigin)
    app.add_middleware(BodyLimit, most_bytes=settings.most_bytes, forms={runs.PATH: settings.most_upload_bytes})
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(settings.allowed_hosts))
    app.add_middleware(Deadline, seconds=settings.answer_seconds)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Observed, metrics=app.state.metrics)
    return app
