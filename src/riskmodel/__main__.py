"""`python -m riskmodel`, for machines where the command is not on the path."""

from riskmodel.cli.main import run

run()
