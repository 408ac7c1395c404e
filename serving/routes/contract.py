"""`GET /openapi.json`: the API's contract, for whoever builds on it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request

from serving.access.guard import open_to_all

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json", dependencies=[Depends(open_to_all)])
def openapi(request: Request) -> dict[str, Any]:
    """Give the contract as OpenAPI."""
    told: dict[str, Any] = request.app.openapi()
    return told
