"""The gates that a challenger passes or not: it must find more leavers than what schools do by hand, beyond chance, and keep to the policy's bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from riskmodel.measuring import BEYOND_CHANCE
from riskmodel.policy import Policy

RULES = {"first_test": "the first-test rule", "prior_education": "prior education alone", "lot": "a lot"}


@dataclass(frozen=True)
class Gate:
    """One comparison at a landmark, against a rule or a bound.

    Attributes
    ----------
    landmark : int
    rule : str
        'first_test', 'prior_education' or 'lot'; or 'calibration', 'programmes', 'champion', 'explanations', 'data' or 'groups'.
    passed : bool or None
        None where there is nothing to compare with.
    words : str
        The comparison in a sentence.
    """

    landmark: int
    rule: str
    passed: bool | None
    words: str


@dataclass(frozen=True)
class Verdict:
    """All gates of one target.

    Attributes
    ----------
    target : str
    gates : tuple of Gate
    reason : str
        Why it is refused; empty where it passed.
    because : str
        Why one failed gate was overridden; empty where none was.
    """

    target: str
    gates: tuple[Gate, ...]
    reason: str
    because: str = ""

    @property
    def passed(self) -> bool:
        """Whether the challenger may become champion."""
        return not self.reason

    def told(self) -> str:
        """Give the verdict as lines of text."""
        signs = {True: "passed ", False: "refused", None: "  -    "}
        lines = [f"  {signs[gate.passed]} {gate.words}" for gate in self.gates]
        ending = "may become champion" if self.passed else f"refused: {self.reason}"
        if self.because:
            ending += f", though one gate refuses it, because: {self.because}"
        return "\n".join([f"{self.target}:", *lines, f"  {ending}"])


def judge(target: str, measured: Mapping[str, Any], policy: Policy, examined: Sequence[Gate] = (), because: str = "") -> Verdict:
    """Hold what was measured on the test cohort against the gates.

    Parameters
    ----------
    target : str
    measured : mapping
        Per landmark (as text) what `riskmodel.measuring.measure` gave; empty where no cohort was held out.
    policy : Policy
        Names the landmarks and the capacity.
    examined : sequence of Gate
        What `training.examining.examine` gave.
    because : str
        Why a failed gate is to be overridden; it overrides one and never more, and never that there is no signal at all.

    Returns
    -------
    Verdict
        Passed when, at every landmark named, the model finds more leavers than each rule that exists there, with more than
        `BEYOND_CHANCE` confidence on the same students, and no other gate refuses it.
    """
    if not measured:
        return Verdict(target, (), "no cohort was held out, so nothing was measured; a second closed cohort is needed.")
    missing = [day for day in policy.promote_at if str(day) not in measured]
    if missing:
        return Verdict(
            target,
            (),
            f"the policy asks for day {', '.join(map(str, missing))}; measured are {', '.join(measured)}. Mend promote_at in policy.toml.",
        )
    capacity = measured[str(policy.promote_at[0])]["capacity_share"]
    if capacity != policy.capacity_share:
        then, now = f"{100 * capacity:g} %", f"{100 * policy.capacity_share:g} %"
        return Verdict(target, (), f"it was measured with talks for {then} of the students, and policy.toml now says {now}; train again.")
    gates = [*(_gate(day, rule, measured[str(day)]) for day in policy.promote_at for rule in RULES), *examined]
    if not any(gate.passed for gate in gates if gate.rule == "lot"):
        return Verdict(target, tuple(gates), "no usable signal: the model finds no more leavers than a lot would, beyond chance.")
    failed = [gate for gate in gates if gate.passed is False]
    if len(failed) == 1 and because:
        return Verdict(target, tuple(gates), "", because)
    if failed:
        reason = "; ".join(_why(gate) for gate in failed) + "."
        if because:
            reason += f" --because overrides one gate, and {len(failed)} refuse."
        return Verdict(target, tuple(gates), reason)
    return Verdict(target, tuple(gates), "")


def _why(gate: Gate) -> str:
    if gate.rule in RULES:
        return f"at day {gate.landmark} it does not beat {RULES[gate.rule]} beyond chance"
    return gate.words.rstrip(".")


def _gate(day: int, rule: str, figures: Mapping[str, Any]) -> Gate:
    baseline = figures["baselines"].get(rule)
    if baseline is None:
        return Gate(day, rule, None, f"day {day}: {RULES[rule]} does not exist here yet.")
    more = baseline["more_found"]
    invited = round(figures["capacity_share"] * figures["students"])
    own, theirs = (round((told["recall_at_capacity"] or 0.0) * figures["leavers"]) for told in (figures, baseline))
    least = f"at least {_signed(more['low'])} with {100 * BEYOND_CHANCE:g} % confidence"
    words = f"day {day}: of {invited} invited, {own} leavers by the model, {theirs} by {RULES[rule]}; {_signed(more['value'])}, {least}."
    return Gate(day, rule, more["low"] > 0, words)


def _signed(number: float) -> str:
    """Write a difference in tenths of a leaver with its sign; what is nought has none."""
    tenths = round(number, 1)
    return f"{tenths:+.1f}" if tenths else "0"
