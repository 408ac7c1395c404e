"""The way back to earlier champions, however often it was taken and wherever it was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.errors import ModelFault
from riskmodel.history import HISTORY, Step, happened, line, read_history, write_history


def promoted(model: str) -> Step:
    return Step("leave", model, "promoted")


def back(model: str) -> Step:
    return Step("leave", model, "rolled_back")


def test_a_rollback_leaves_the_line_of_champions_so_that_the_next_goes_further_back() -> None:
    steps = [promoted("leave-2"), promoted("leave-4"), promoted("leave-6"), back("leave-4")]
    assert line(steps, "leave") == ("leave-2", "leave-4")
    assert line([*steps, back("leave-2")], "leave") == ("leave-2",)
    assert line([*steps, promoted("leave-8")], "leave") == ("leave-2", "leave-4", "leave-8")
    assert line(steps, "dropout") == ()


def test_a_step_that_never_came_to_serve_does_not_count() -> None:
    steps = [promoted("leave-2"), promoted("leave-4"), promoted("leave-6")]
    assert happened(steps, {"leave": "leave-4"}) == tuple(steps[:2])
    assert happened([*steps[:2], back("leave-2")], {"leave": "leave-4"}) == tuple(steps[:2])


def test_a_champion_that_serves_without_a_record_is_noted_as_found() -> None:
    assert happened([], {"leave": "leave-2"}) == (Step("leave", "leave-2", "found"),)


@given(st.lists(st.sampled_from(["promote", "back", "promote interrupted", "back interrupted"]), max_size=25))
def test_the_line_is_a_stack_whatever_was_done_or_interrupted(doings: list[str]) -> None:
    stack: list[str] = ["leave-0"]
    steps: tuple[Step, ...] = (promoted("leave-0"),)
    for number, doing in enumerate(doings, 1):
        before = happened(steps, {"leave": stack[-1]})
        if doing.startswith("promote"):
            steps = (*before, promoted(f"leave-{number}"))
            stack = stack if "interrupted" in doing else [*stack, f"leave-{number}"]
        elif len(stack) > 1:
            steps = (*before, back(stack[-2]))
            stack = stack if "interrupted" in doing else stack[:-1]
        assert line(happened(steps, {"leave": stack[-1]}), "leave") == tuple(stack)


@given(st.lists(st.builds(Step, st.text(), st.text(), st.sampled_from(["promoted", "rolled_back"]), st.text(), st.text()), max_size=5))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, steps: list[Step]) -> None:
    folder = tmp_path_factory.mktemp("history")
    write_history(folder, steps)
    assert read_history(folder) == tuple(steps)


@pytest.mark.parametrize("content", ["", "{", "[1]", '[{"target": "leave"}]', "\x00"])
def test_a_damaged_history_is_told_with_its_place(tmp_path: Path, content: str) -> None:
    (tmp_path / HISTORY).write_text(content, encoding="utf-8")
    with pytest.raises(ModelFault, match="history of champions") as told:
        read_history(tmp_path)
    assert told.value.place == str(tmp_path / HISTORY)
