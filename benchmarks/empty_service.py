"""The least that a FastAPI route costs: what the service's requests per second are held against."""

from __future__ import annotations

from fastapi import FastAPI

app = FastAPI()


@app.get("/empty")
async def empty() -> dict[str, str]:
    """Answer nothing."""
    return {}
