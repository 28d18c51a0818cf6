"""What commands say of a run."""

import contextlib
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from rnnkit.core import decoration, wording
from rnnkit.runs import mirror_client
from rnnkit.runs.manifest import Manifest
from rnnkit.runs.result import Comparison, Reference, ReferenceKind, Result


LEAST_EXAMPLES = 6  # all of which must speak for one side for a sign test at 5 % to believe it


def print_result(result: Result) -> None:
    """Say how a run ended: its scores, the baseline beside them, where its record lies, and what W&B has of it."""
    print(f"{result.run}: {result.status} after {result.step} steps in {result.seconds:.0f} s")
    if result.reason:
        print(f"  {result.reason}")
    for name, value in result.metrics.items():
        if name.startswith("metric/"):
            metric, _, split = name.removeprefix("metric/").rpartition("/")
            print(f"  {metric.replace('_', ' ')} ({split}): {value:.4f}")
    for line in beside(result.references, result.comparison):
        print(f"  {line}")
    for flag in result.flags or []:
        print(f"  flag: {flag}")
    if result.foretold:
        print(f"  foretold {result.foretold}")
    print(f"  record: {shown(result.folder)}")
    with decoration("  W&B: what it has of this run is not known"):
        if Manifest.read(result.folder).track != "off":
            print(f"  W&B: {mirror_in_words(result.folder)}")
    pages = make_command("dashboard", result.folder.parent)
    print(f"  see its curves: `make show {make_word(result.folder)}`, or `{pages}`")


def mirror_in_words(folder: Path) -> str:
    """What W&B has of an ended run, once its mirror is done or can be waited for no longer."""
    state = mirror_client.wait(folder)
    sync = make_command("sync", folder.parent)
    if state.get("state") == "failed":
        return f"not complete ({state.get('reason')}); the record is, and `{sync}` sends it"
    if state.get("state") != "complete":
        return f"the mirror is still at work; `{sync}` completes it where it stops"
    if state.get("mode") == "disabled":
        return "not to be tracked, say WANDB_MODE or W&B's settings (`wandb disabled`)"
    without = f", without what could not be made ({'; '.join(state['missing'])})" if state.get("missing") else ""
    if state.get("mode") == "offline":
        return f"recorded offline{without}; `{sync}` sends it"
    return f"{state['url']}{without}" if state.get("url") else "what it has of this run is not known"


def make_word(folder: Path) -> str:
    """A run as make is told of it: `RUN=digits-s0-62719430`, or its path where it lies elsewhere."""
    return f"RUN={folder.name if _is_usual(folder.parent) else shown(folder)}"


def make_command(target: str, runs_dir: Path) -> str:
    """The command that has make do something with all runs of a folder: `sync`, `dashboard`."""
    if _is_usual(runs_dir):
        return f"make {target}"
    words = f"--runs-dir {shown(runs_dir)}".replace("$", "$$")  # for make
    quoted = f'"{words}"' if not set(words) & set('"$`\\') else shlex.quote(words)
    return f"make {target} ARGS={quoted}"


def _is_usual(runs_dir: Path) -> bool:
    """Whether it is the folder of runs that commands take where they are told of none."""
    with contextlib.suppress(FileNotFoundError):  # the working folder is gone, and there is no usual one
        return runs_dir.absolute() == Path("runs").absolute()
    return False


def shown(path: Path) -> str:
    """A path as it can be pasted into a command: from here, quoted where that is needed.

    Where the working folder is gone there is no here, and it is as it was given.
    """
    try:
        text = os.path.relpath(path)
    except FileNotFoundError:
        text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)  # which would be read as a flag


def beside(references: Sequence[Reference] | None, comparison: Comparison | None) -> list[str]:
    """What stands beside a result on the same test part, in sentences; what it is compared with is said once."""
    compared = comparison.baseline if comparison else None
    lines = [reference_in_words(reference) for reference in references or [] if reference.what != compared]
    return [*lines, *([comparison_in_words(comparison)] if comparison else [])]


def reference_in_words(reference: Reference) -> str:
    """What somebody else reaches on the same test part."""
    published = "published: " if reference.kind == ReferenceKind.PUBLISHED else ""
    return f"{published}{reference.what}: {reference.metric.replace('_', ' ')} (test) {reference.value:.4f}"


def comparison_in_words(comparison: Comparison) -> str:
    """A baseline beside a result in a sentence that says whether the data tell them apart."""
    low, high = comparison.low, comparison.high
    few = comparison.examples < LEAST_EXAMPLES
    examples = wording.count(comparison.examples, "test example")
    measure = f"{comparison.measure} " if comparison.measure else ""
    return (
        f"{comparison.baseline} on the same {examples}: {measure}{comparison.theirs:.4f}; difference "
        f"{comparison.difference:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}: {verdict(low, high, few)}"
    )


def verdict(low: float, high: float, few: bool = False) -> str:
    """Which of a net and a baseline is better by the interval of their difference; `few` examples do not say it."""
    if few:
        return "no clear difference: too few examples"
    if high < 0:
        return "the net is worse, and the cheaper model the better choice"
    return "the net is better" if low > 0 else "no clear difference, so the cheaper model will do"
