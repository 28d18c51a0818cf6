"""Answers of a trained net, in the order of the rows: `python -m rnnkit.inference RUN FILE`, from any folder."""

from rnnkit.core import cli


def main() -> None:
    """Answer, or write the net."""
    from rnnkit.inference import command

    command.main("python -m rnnkit.inference", __doc__)


if __name__ == "__main__":
    cli.main(main, prints=True)
