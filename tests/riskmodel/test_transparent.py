"""Where the truth is known, the default recipe comes near it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from riskmodel.families.recipe import read_recipe

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))


@pytest.mark.slow
def test_the_default_recipe_loses_little_to_the_truth_and_its_log_odds_are_the_truth_s(tmp_path: Path) -> None:
    import transparent

    rows = transparent.measure(transparent.make(tmp_path, transparent.STUDENTS, 21), read_recipe("blend"))
    assert [row.landmark for row in rows] == [14, 28, 42, 56, 70, 84, 100]
    for row in rows:
        assert row.true_roc_auc - row.roc_auc <= transparent.MOST_LOST
        assert transparent.SLOPE[0] <= row.slope <= transparent.SLOPE[1]
