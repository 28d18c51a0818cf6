"""One script an experiment, each run as `python -m experiments.<name>`."""

import sys


NAMES = ("digits", "sentiment", "char_lm", "word_lm", "memory", "tagging", "music", "pixels", "building_blocks")
LESSONS = ("building_blocks",)  # those that show and check, and train nothing
COMMANDS = ("dynamics", "reproduce", "resume", "sample")  # what can be done with one run


def require(name: str) -> None:
    """Raise `UserError` unless there is an experiment of this name."""
    from rnnkit.core.errors import UserError

    if name not in NAMES:
        raise UserError(f"there is no experiment {name!r}: choose one of {', '.join(NAMES)}")


def _refuse_unknown() -> None:
    """Say in one line what `python -m experiments.<typo>` could have meant.

    While Python looks for the module that -m names, sys.argv[0] is "-m".
    """
    target = sys.orig_argv[sys.orig_argv.index("-m") + 1] if "-m" in sys.orig_argv[:-1] else ""
    name = target.removeprefix("experiments.")
    if sys.argv[0] == "-m" and target.startswith("experiments.") and name not in NAMES + COMMANDS:
        print(f"error: there is no experiment {name!r}: choose one of {', '.join(NAMES)}", file=sys.stderr)
        sys.exit(2)


_refuse_unknown()
