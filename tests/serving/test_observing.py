"""What is logged and counted: each request by its route's template, with an id to find it again, and nothing of anybody."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stderr

from fastapi.testclient import TestClient

from serving.observing import REQUEST_ID, configure_logging
from tests.serving.conftest import Place, entered


def logged(place: Place, *paths: str, headers: dict[str, str] | None = None) -> list[dict[str, object]]:
    output = io.StringIO()
    with redirect_stderr(output):
        configure_logging()
        with entered(place.settings()) as client:
            for path in paths:
                client.get(path, headers=headers)
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_request_is_one_line_with_the_routes_template_and_no_number_of_anybody(place: Place, client: TestClient) -> None:
    link = re.search(r'href="(/students/([^"?]+))', client.get("/").text)
    assert link is not None
    lines = logged(place, link.group(1), "/students/nobody-at-all", "/nowhere/secret-name", headers={"Accept": "text/html"})
    assert [(line["route"], line["status"], line["method"]) for line in lines] == [
        ("/students/{enrolment_id}", 200, "GET"),
        ("/students/{enrolment_id}", 404, "GET"),
        ("none", 404, "GET"),
    ]
    told = json.dumps(lines)
    assert link.group(2) not in told
    assert "nobody-at-all" not in told
    assert "secret-name" not in told
    assert all({"request_id", "milliseconds", "timestamp", "level"} <= line.keys() for line in lines)


def test_an_id_that_fits_is_taken_over_and_any_other_is_replaced(client: TestClient) -> None:
    assert client.get("/healthz", headers={REQUEST_ID: "abc-123456"}).headers[REQUEST_ID] == "abc-123456"
    for unfit in ("short", "x" * 65, "a b c d e f g h", "<script>alert</script>"):
        given = client.get("/healthz", headers={REQUEST_ID: unfit}).headers[REQUEST_ID]
        assert given != unfit
        assert re.fullmatch(r"[0-9a-f]{16}", given)


def test_requests_scores_and_the_champion_are_counted(client: TestClient, place: Place) -> None:
    students = [{"enrolment_id": f"canary-{number}", "landmark": 56, "features": {"attendance_share": 0.1 * number}} for number in range(3)]
    answer = client.post("/v1/scores", json={"students": students})
    assert answer.status_code == 200
    client.get("/canary/path")
    told = client.get("/metrics").text
    assert 'riskmodel_requests_total{method="POST",route="/v1/scores",status="200"} 1.0' in told
    assert 'riskmodel_requests_total{method="GET",route="none",status="404"} 1.0' in told
    assert 'riskmodel_score_count{target="leave"} 3.0' in told
    assert 'riskmodel_champion{target="leave",version="leave-1"} 1.0' in told
    assert re.search(r"^riskmodel_list_age_days -?\d", told, re.MULTILINE)
    assert "canary" not in told


def test_probes_are_counted_and_not_logged(place: Place) -> None:
    assert logged(place, "/healthz", "/readyz", "/metrics", "/static/style.css") == []
