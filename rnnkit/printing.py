"""What commands say of a run."""

import os
import sys
from pathlib import Path

from rnnkit import tracking
from rnnkit.records import Result


def print_result(result: Result) -> None:
    """Say how a run ended: its scores, the baseline beside them, where its record lies, and what W&B has of it."""
    print(f"{result.run}: {result.status} after {result.step} steps in {result.seconds:.0f} s")
    if result.reason:
        print(f"  {result.reason}")
    for name, value in result.metrics.items():
        if name.startswith("metric/"):
            _, metric, split = name.split("/")
            print(f"  {metric.replace('_', ' ')} ({split}): {value:.4f}")
    if result.comparison:
        print(f"  {comparison_in_words(result.comparison)}")
    shown = os.path.relpath(result.folder)
    print(f"  record: {shown}")
    state = tracking.wait_for_mirror(result.folder)
    if state.get("state") == "failed":
        print(f"  W&B: not complete ({state['reason']}); the record is, and `make sync` sends it")
    elif state.get("mode") == "online":
        print(f"  W&B: {state['url']}")
    elif state:
        print("  W&B: recorded offline; `make sync` sends it; to see its curves:")
        print(f"    {leet(result.folder / state['folder'])}")


def leet(log: Path) -> str:
    """The command that shows an offline run's curves in the terminal, by its folder."""
    wandb = Path(sys.executable).parent / "wandb"
    return f"{os.path.relpath(wandb) if wandb.exists() else 'wandb'} leet {os.path.relpath(log)}"


def comparison_in_words(comparison: dict) -> str:
    """A baseline beside a result in a sentence that says whether the data tell them apart."""
    low, high = comparison["low"], comparison["high"]
    verdict = "better" if low > 0 else "worse" if high < 0 else "not told apart"
    return (
        f"{comparison['baseline']} on the same {comparison['examples']} test examples: {comparison['theirs']:.4f}; "
        f"difference {comparison['difference']:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}: {verdict}"
    )
