"""What a net of `models` is made of, as plain values: enough to make it again for its weights, without any data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import torch
from torch import nn

from rnnkit.core import BaseConfig, UserError, records
from rnnkit.nn import Members, embeddings, models


@dataclass(frozen=True)
class Architecture:
    """A net, or several alike: by which function of `models`, with which settings and arguments.

    Of `letters` it keeps how many there are and how they are read; spellings are no part of a net.
    """

    kind: Literal["classifier", "tagger", "language_model"]
    settings: dict[str, Any]  # those of `BaseConfig` that a net depends on
    arguments: dict[str, Any]
    members: int = 1
    cut_recurrence: bool = False

    @property
    def config(self) -> BaseConfig:
        """The settings as a configuration. Raises `UserError` for such as no net has."""
        return BaseConfig(**self.settings)


def of(model: nn.Module) -> dict[str, Any] | None:
    """The plain values of a net that `models` made, or of such as `Members`; None for any other."""
    alike = [*model.members] if isinstance(model, Members) else [model]
    found = [one.made for one in alike if isinstance(one, models.NETS) and one.made is not None]
    if len(found) < len(alike) or any(one != found[0] for one in found):
        return None
    settings, arguments = found[0].settings, dict(found[0].arguments)
    if isinstance(letters := arguments.get("letters"), embeddings.Letters):
        arguments["letters"] = {"count": letters.count, "size": letters.size, "reader_size": letters.reader_size}
    cut = isinstance(cast(nn.Module, alike[0].encoder), models.CutRecurrence)
    return asdict(Architecture(cast(Any, found[0].kind), settings, arguments, len(alike), cut))


def read(values: object) -> Architecture:
    """An architecture from the plain values that `of` gave. Raises `UserError` for others."""
    found, damage = records.read(Architecture, values)
    if found is None or damage:
        raise UserError(
            f"the net is described by another version: {'its ' + damage[0] if damage else 'nothing is there'}"
        )
    return found


def made(found: Architecture, weights: Mapping[str, Any]) -> nn.Module:
    """The net with these weights, in evaluation mode. Raises `UserError` where they are not of such a net.

    It is made without memory of its own, which the weights bring: so a description that was changed costs nothing.
    """
    try:
        with torch.device("meta"):
            alike = [_single(found) for _ in range(found.members)]
        net = alike[0] if found.members == 1 else Members(alike)
        net.load_state_dict(weights, assign=True)
    except (RuntimeError, TypeError, ValueError, AttributeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the weights are not those of the net that is described beside them: {reason}") from None
    return net.requires_grad_(False).eval()


def _single(found: Architecture) -> nn.Module:
    arguments = dict(found.arguments)
    if arguments.get("letters") is not None:
        arguments["letters"] = embeddings.Letters(
            **arguments["letters"], spellings=[torch.zeros(1, dtype=torch.long, device="cpu")]
        )
    make = {"classifier": models.classifier, "tagger": models.tagger, "language_model": models.language_model}
    net = make[found.kind](found.config, **arguments)
    if found.cut_recurrence:
        net.add_module("encoder", models.CutRecurrence(net.encoder))
    return net
