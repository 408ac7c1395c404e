"""Write the API's contract anew: `python scripts/openapi.py` makes docs/openapi.json of the routes as they are."""

from __future__ import annotations

import json
from pathlib import Path

from serving.app import ROUTERS
from serving.openapi import contract_of

TARGET = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"

if __name__ == "__main__":
    TARGET.write_text(json.dumps(contract_of(*ROUTERS), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{TARGET.name} written.")
