"""Draw the retraining guide's pictures: what one sees in MLflow after its commands were followed, from a real `mlflow ui`.

python scripts/mlflow_pictures.py WORKSPACE
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from find_browser import find
from PIL import Image
from playwright.sync_api import Page, sync_playwright

TARGET = Path(__file__).resolve().parents[1] / "docs" / "pictures"
SIZE = {"width": 1280, "height": 800}
COLOURS = 64
PATIENCE = 15_000  # milliseconds, for plots and lists to be drawn


def main(workspace: str) -> None:
    """Write `mlflow-*.png` to docs/pictures: the list of runs, one run's figures and plots, and the registered versions."""
    from riskmodel.workspace import Workspace

    place = Workspace(Path(workspace))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", place.tracking_uri, "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        _draw(place, f"http://127.0.0.1:{port}/#")
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise SystemExit("mlflow ui did not start")


def _draw(place: object, root: str) -> None:
    from training.registry import list_models
    from training.tracking import EXPERIMENT, open_tracking

    mlflow = open_tracking(place)  # type: ignore[arg-type]
    experiment = mlflow.get_experiment_by_name(EXPERIMENT).experiment_id
    challenger = next(model for model in reversed(list_models(place).models) if model.target == "leave")  # type: ignore[arg-type]
    run = f"{root}/experiments/{experiment}/runs/{challenger.run_id}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(viewport=SIZE, locale="en-GB").new_page()
        page.set_default_timeout(300_000)
        page.goto(root)
        page.get_by_text("Model training", exact=True).first.click()
        for name, address, waits_for in (
            ("runs", f"{root}/experiments/{experiment}/runs", "text=leave-"),
            ("run", run, "text=Run ID"),
            ("plots", f"{run}/artifacts/plots/gain.png", "img[src*='gain.png'], img[src^='blob:']"),
            ("versions", f"{root}/models/riskmodel-leave", "text=champion"),
        ):
            page.goto(address)
            page.locator(waits_for).first.wait_for(timeout=300_000)
            _settle(page)
            _shoot(page, TARGET / f"mlflow-{name}.png")
        browser.close()


def _settle(page: Page) -> None:
    """Wait until lists and plots are drawn, and close what greets a newcomer."""
    for word in ("Close", "Dismiss", "Got it", "Skip"):
        for button in page.get_by_role("button", name=word, exact=True).all():
            if button.is_visible():
                button.click()
    page.wait_for_timeout(PATIENCE)


def _shoot(page: Page, path: Path) -> None:
    page.screenshot(path=path)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
