"""Trained nets in use: loaded with what they need, asked for answers, fed step by step, written for other programs.

Imports no torch before a net is used, so that `--help` answers at once.
"""

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from rnnkit.inference.answering import Answer as Answer
    from rnnkit.inference.answering import answers as answers
    from rnnkit.inference.model import Model as Model
    from rnnkit.inference.model import description as description
    from rnnkit.inference.model import load as load
    from rnnkit.inference.model import of_parts as of_parts
    from rnnkit.inference.streaming import Stream as Stream
    from rnnkit.inference.surroundings import flushes_denormals as flushes_denormals
    from rnnkit.inference.surroundings import kept_out as kept_out


_NAMES = {"Answer": "answering", "answers": "answering", "Model": "model", "description": "model", "load": "model"}
_NAMES |= {"of_parts": "model", "Stream": "streaming", "flushes_denormals": "surroundings", "kept_out": "surroundings"}


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"rnnkit.inference.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'rnnkit.inference' has no attribute {name!r}")
