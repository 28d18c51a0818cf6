"""`python -m sweeps.evidence`: measure what docs/evidence.md still lacks."""

from rnnkit.core import cli
from sweeps.evidence.measure import main


if __name__ == "__main__":
    cli.main(main, settle=False)
