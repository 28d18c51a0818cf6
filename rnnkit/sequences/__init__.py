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
from rnnkit.sequences.examples import Examples
from rnnkit.sequences.packed import lengths_of_rows, map_packed, mask, owners, reverse, times


__all__ = [
    "Batch",
    "Examples",
    "Padding",
    "batches",
    "bptt_chunks",
    "bucketed_order",
    "check",
    "collate",
    "epoch_order",
    "gathered",
    "layout",
    "lengths_of_rows",
    "map_packed",
    "mask",
    "owners",
    "padding",
    "reverse",
    "schedule",
    "shuffled_batches",
    "times",
    "vocabulary",
]
