"""`python -m experiments.building_blocks`: the lesson."""

from experiments.building_blocks.lesson import main
from rnnkit.core import cli


if __name__ == "__main__":
    cli.main(main)
