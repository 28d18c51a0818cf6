"""What commands say of a run."""

import os
import shlex
import sys
from pathlib import Path

from rnnkit.runs import mirror_client
from rnnkit.runs.manifest import Manifest
from rnnkit.runs.result import Comparison, Reference, ReferenceKind, Result


def print_result(result: Result) -> None:
    """Say how a run ended: its scores, the baseline beside them, where its record lies, and what W&B has of it."""
    print(f"{result.run}: {result.status} after {result.step} steps in {result.seconds:.0f} s")
    if result.reason:
        print(f"  {result.reason}")
    for name, value in result.metrics.items():
        if name.startswith("metric/"):
            metric, _, split = name.removeprefix("metric/").rpartition("/")
            print(f"  {metric.replace('_', ' ')} ({split}): {value:.4f}")
    for reference in result.references or []:
        print(f"  {reference_in_words(reference)}")
    if result.comparison:
        print(f"  {comparison_in_words(result.comparison)}")
    for flag in result.flags or []:
        print(f"  flag: {flag}")
    print(f"  record: {shown(result.folder)}")
    if Manifest.read(result.folder).track != "off":
        print(f"  W&B: {mirror_in_words(result.folder)}")


def mirror_in_words(folder: Path) -> str:
    """What W&B has of an ended run, once its mirror is done or can be waited for no longer."""
    state = mirror_client.wait(folder)
    sync = sync_command(folder.parent)
    if state.get("state") == "failed":
        return f"not complete ({state.get('reason')}); the record is, and `{sync}` sends it"
    if state.get("state") != "complete":
        return f"the mirror is still at work; `{sync}` completes it where it stops"
    if state.get("mode") == "disabled":
        return "not to be tracked, says WANDB_MODE=disabled"
    if state.get("mode") == "online":
        return state.get("url", "online")
    return f"recorded offline; `{sync}` sends it; to see its curves:\n    {leet(folder / state.get('folder', 'wandb'))}"


def leet(log: Path) -> str:
    """The command that shows an offline run's curves in the terminal, by its folder."""
    wandb = Path(sys.executable).parent / "wandb"
    return f"{shown(wandb) if wandb.exists() else 'wandb'} leet {shown(log)}"


def sync_command(runs_dir: Path) -> str:
    """The command that sends all runs of a folder to W&B."""
    if runs_dir.absolute() == Path("runs").absolute():
        return "make sync"
    words = f"--runs-dir {shown(runs_dir)}".replace("$", "$$")  # for make
    return f'make sync ARGS="{words}"' if not set(words) & set('"$`\\') else f"make sync ARGS={shlex.quote(words)}"


def shown(path: Path) -> str:
    """A path as it can be pasted into a command: from here, quoted where that is needed."""
    text = os.path.relpath(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)  # which would be read as a flag


def reference_in_words(reference: Reference) -> str:
    """What somebody else reaches on the same test part."""
    published = "published: " if reference.kind == ReferenceKind.PUBLISHED else ""
    return f"{published}{reference.what}: {reference.metric.replace('_', ' ')} (test) {reference.value:.4f}"


def comparison_in_words(comparison: Comparison) -> str:
    """A baseline beside a result in a sentence that says whether the data tell them apart."""
    low, high = comparison.low, comparison.high
    verdict = "better" if low > 0 else "worse" if high < 0 else "not told apart"
    return (
        f"{comparison.baseline} on the same {comparison.examples} test examples: {comparison.theirs:.4f}; "
        f"difference {comparison.difference:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}: {verdict}"
    )
