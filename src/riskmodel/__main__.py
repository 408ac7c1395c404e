"""`python -m riskmodel`, for machines where the command is not on the path."""

from riskmodel.cli.main import run

if __name__ == "__main__":  # processes that serve together read this file as well
    run()
