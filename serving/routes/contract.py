"""`GET /openapi.json`: the API's contract, for whoever builds on it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request

from serving.access.guard import open_to_all
from serving.openapi import describe

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json", dependencies=[Depends(open_to_all)])
def openapi(request: Request) -> dict[str, Any]:
    """Give the contract as OpenAPI."""
    return describe(request.app)
