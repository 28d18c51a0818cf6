"""Sequences to batches: examples, packed sequences, the layout of their rows, chunks of a long text, vocabularies."""

from rnnkit.sequences import bptt_chunks, images, preprocessing, schedule, vocabulary
from rnnkit.sequences.batching import (
    Batch,
    Joined,
    batches,
    bucketed_order,
    by_length,
    collate,
    epoch_order,
    gathered,
    shuffled_batches,
)
from rnnkit.sequences.bptt_chunks import State
from rnnkit.sequences.examples import Examples, check
from rnnkit.sequences.images import Pixels
from rnnkit.sequences.packed import (
    Padding,
    lengths_of_rows,
    map_packed,
    mask,
    means,
    owners,
    pack,
    padding,
    reverse,
    times,
)
from rnnkit.sequences.preprocessing import Preprocessing
from rnnkit.sequences.schedule import Chunk, PackedLayout, Schedule


__all__ = ["bptt_chunks", "images", "preprocessing", "schedule", "vocabulary", "Pixels"]
__all__ += ["Batch", "batches", "bucketed_order", "by_length", "check", "collate", "epoch_order", "gathered"]
__all__ += ["shuffled_batches", "Chunk", "Examples", "Joined", "PackedLayout", "Padding", "Preprocessing", "Schedule"]
__all__ += ["State", "lengths_of_rows", "map_packed", "mask", "means", "owners", "pack", "padding", "reverse", "times"]
