"""The API's contract as OpenAPI: what FastAPI tells of the routes, with who may call each and how refusals look. It knows no store and no model."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from riskmodel import __version__
from serving.access.guard import Allow, guards
from serving.conditional import ConditionalRoute
from serving.problems import RETRY_AFTER_TOLD, problem_schemas, told_as_problem

TITLE = "riskmodel"
DESCRIPTION = """
Explained dropout risk for first-years, so that extra coach attention goes where it may help.

A score is a signal that starts a talk, never a verdict. It plays no part in the binding study advice.

Systems send a token as `Authorization: Bearer ...`. A request that can't be answered gets a problem (RFC 9457), of a type that has a page below `/problems`.
"""
_TAGS = [
    {"name": "scores", "description": "Score students that the caller brings along."},
    {"name": "score runs", "description": "Have a whole cohort scored by a worker, and read what came of it."},
    {"name": "students", "description": "What is held of one student."},
    {"name": "rights", "description": "What is held of a student, objection, erasure, and who saw them."},
    {"name": "invitations", "description": "Who was invited, to whom they were routed, and why."},
    {"name": "models", "description": "What serves, what it learnt from, and what it looks at."},
    {"name": "health", "description": "Whether the service lives, and how it fares."},
]
_SCHEME = {"token": {"type": "http", "scheme": "bearer", "description": "A token made with `riskmodel token create`."}}


def operation_id(route: APIRoute) -> str:
    """Name an operation after its function: programs that are generated from the contract are then readable."""
    return route.name


def describe(app: FastAPI) -> dict[str, Any]:
    """Give the contract of an application's routes, made once.

    Parameters
    ----------
    app : FastAPI
    """
    if app.openapi_schema is None:
        told = get_openapi(title=TITLE, version=__version__, description=DESCRIPTION, routes=app.routes, tags=_TAGS, license_info=_LICENCE)
        for route in iter_route_contexts(app.routes):
            for method in (route.methods or set()) if isinstance(route.original_route, APIRoute) and route.include_in_schema else ():
                _complete(told["paths"][route.path][method.lower()], route)
        schemas = told.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas.update(problem_schemas())
        told["components"]["securitySchemes"] = _SCHEME
        app.openapi_schema = told
    return app.openapi_schema


_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag of an answer that the caller holds.",
}
_LICENCE = {"name": "EUPL-1.2", "identifier": "EUPL-1.2"}


def _complete(operation: dict[str, Any], route: RouteContext) -> None:
    """Say who may call an operation, and that faults are problems."""
    allowed = [guard for guard in guards(route) if isinstance(guard, Allow)]
    if allowed:
        scopes = [str(scope) for scope in allowed[0].scopes]
        operation["security"] = [{"token": []}]
        operation["x-scopes"] = scopes
        operation["responses"].setdefault(
            "503", told_as_problem("The store is away, or nothing answered in time; Retry-After says when to try again.", RETRY_AFTER_TOLD)
        )
        operation["description"] += f"\n\nNeeds {' or '.join(f'`{scope}`' for scope in scopes)}."
    else:
        operation["security"] = []
    validation = operation["responses"].get("422", {}).get("content", {})
    if "application/json" in validation:
        operation["responses"]["422"] = told_as_problem("A parameter can't be used; its place is told.")
    if isinstance(route.original_route, ConditionalRoute) and "get" in {method.lower() for method in route.methods or ()}:
        operation["responses"]["304"] = {"description": "Unchanged since the answer whose ETag If-None-Match tells."}
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
        operation["responses"].setdefault("422", told_as_problem("A parameter can't be used; its place is told."))
    operation["responses"].setdefault("400", told_as_problem("The request can't be read."))


def contract_of(*routers: APIRouter) -> dict[str, Any]:
    """Give the contract of some routers, without a service around them."""
    app = FastAPI(generate_unique_id_function=operation_id)
    for router in routers:
        app.include_router(router)
    return describe(app)
