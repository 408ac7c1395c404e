"""The pictures of what a model is worth."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from institution import LANDMARKS, Shop
from PIL import Image

from riskmodel.contract.dataset import load_dataset
from riskmodel.landmarks import landmark_frames
from riskmodel.metrics import recall_at_capacity
from training import plots

MODEL = "leave"


@pytest.fixture(scope="module")
def held_out(trained: Shop) -> dict[int, pd.DataFrame]:
    return dict(landmark_frames(load_dataset(trained.folder), cohorts=("2021",)).frames)


def test_the_gain_shows_what_was_measured_at_capacity_and_names_every_line(trained: Shop, held_out: dict[int, pd.DataFrame]) -> None:
    model = trained.trained[MODEL].model
    figure = plots.gain(model, held_out, 0.2)
    assert [axis.get_title() for axis in figure.axes] == [f"day {day}" for day in LANDMARKS]
    for axis, day in zip(figure.axes, LANDMARKS, strict=True):
        line = next(line for line in axis.lines if line.get_color() == plots.COLOURS["model"])
        y, score = held_out[day][MODEL].to_numpy(), model.decision(held_out[day], day)
        assert np.interp(20.0, line.get_xdata(), line.get_ydata()) == pytest.approx(100 * recall_at_capacity(y, score, 0.2))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(plots.NAMES.values())
    plots.close(figure)


def test_before_any_test_the_gain_has_no_line_for_it(trained: Shop, held_out: dict[int, pd.DataFrame]) -> None:
    figure = plots.gain(trained.trained[MODEL].model, {28: held_out[28]}, 0.2)
    assert plots.COLOURS["first_test"] not in [line.get_color() for line in figure.axes[0].lines]
    plots.close(figure)


def test_calibration_shows_tenths_of_predicted_risk(trained: Shop, held_out: dict[int, pd.DataFrame]) -> None:
    model = trained.trained[MODEL].model
    figure = plots.calibration(model, held_out)
    points = figure.axes[0].lines[1]
    predicted = np.sort(model.probability(held_out[28], 28)).reshape(10, 30).mean(axis=1)
    assert points.get_xdata() == pytest.approx(predicted)
    assert held_out[28][MODEL].mean() == pytest.approx(np.mean(points.get_ydata()))
    plots.close(figure)


def test_reasons_overall_are_named_in_words_with_the_largest_first(trained: Shop, held_out: dict[int, pd.DataFrame]) -> None:
    figure = plots.reasons_overall(trained.trained[MODEL].model, held_out)
    axis = figure.axes[0]
    names = [text.get_text() for text in axis.get_yticklabels()]
    assert "Attendance since the start" in names
    assert not [name for name in names if "_" in name]
    means = np.asarray(axis.images[0].get_array()).mean(axis=1)
    assert (np.diff(means) <= 1e-12).all()
    plots.close(figure)


def test_each_picture_can_be_drawn(trained: Shop, held_out: dict[int, pd.DataFrame]) -> None:
    model = trained.trained[MODEL].model
    for figure in (plots.gain(model, held_out, 0.2), plots.calibration(model, held_out), plots.reasons_overall(model, held_out)):
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=50)
        with Image.open(buffer) as picture:
            assert picture.width > 100
        plots.close(figure)
