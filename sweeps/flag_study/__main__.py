"""`python -m sweeps.flag_study`: what flags foretell, on a bank of runs."""

from rnnkit.core import cli
from sweeps.flag_study.bank import main


if __name__ == "__main__":
    cli.main(main, settle=False)
