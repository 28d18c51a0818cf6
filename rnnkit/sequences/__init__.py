"""Sequences to batches: examples, packed sequences, the layout of their rows, chunks of a long text, vocabularies."""

from rnnkit.sequences import bptt_chunks, layout, schedule, vocabulary
from rnnkit.sequences._checks import check
from rnnkit.sequences.batching import (
    Batch,
    Padding,
    batches,
    bucketed_order,
    collate,
    epoch_order,
    gathered,
    padding,
    shuffled_batches,
)
from rnnkit.sequences.bptt_chunks import State
from rnnkit.sequences.examples import Examples
from rnnkit.sequences.layout import PackedLayout
from rnnkit.sequences.packed import lengths_of_rows, map_packed, mask, owners, reverse, times
from rnnkit.sequences.schedule import Chunk, Schedule


__all__ = ["bptt_chunks", "layout", "schedule", "vocabulary"]
__all__ += ["check"]
__all__ += [
    "Batch",
    "Padding",
    "batches",
    "bucketed_order",
    "collate",
    "epoch_order",
    "gathered",
    "padding",
    "shuffled_batches",
]
__all__ += ["State"]
__all__ += ["Examples"]
__all__ += ["PackedLayout"]
__all__ += ["lengths_of_rows", "map_packed", "mask", "owners", "reverse", "times"]
__all__ += ["Chunk", "Schedule"]
