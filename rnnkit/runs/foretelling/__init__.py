"""Whether a net will learn, foretold from its record: signs, and the chance that they give it."""

from rnnkit.runs.foretelling import signs
from rnnkit.runs.foretelling.chances import (
    WORDS,
    Foretold,
    Model,
    Sign,
    early,
    evaluations,
    foretold,
    in_words,
    model_at,
    models,
    of_rows,
    read,
    speaks_after,
    untrained,
)


__all__ = ["WORDS", "Foretold", "Model", "Sign"]
__all__ += ["early", "evaluations", "foretold", "in_words", "model_at", "models", "of_rows", "read"]
__all__ += ["signs", "speaks_after", "untrained"]
