"""Synthetic institutions: believable tables with a known truth behind them. Nothing here describes a real person."""

from riskmodel.synth.generate import generate
from riskmodel.synth.settings import SCENARIOS, SynthSettings

__all__ = ["SCENARIOS", "SynthSettings", "generate"]
