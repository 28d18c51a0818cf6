"""`python -m experiments.predict`."""

from experiments.predict import main
from rnnkit.core import cli


if __name__ == "__main__":
    cli.main(main, prints=True)
