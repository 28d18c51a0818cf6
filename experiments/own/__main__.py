"""`python -m experiments.own`."""

from experiments.own import main
from rnnkit.core import cli


if __name__ == "__main__":
    cli.main(main)
