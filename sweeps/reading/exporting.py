"""Runs as a table in a file, a line each: what they are, every setting, every final score. As CSV or Parquet."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rnnkit.core import extras, files, writing
from sweeps.reading.run_index import Card, RunIndex


KINDS = (".csv", ".parquet")
_ABOUT = ("state", "experiment", "study", "trial", "confirms", "seed", "step", "seconds", "parameters", "reason")


def write(index: RunIndex, cards: Iterable[Card], path: Path) -> None:
    """Write runs to a .csv or .parquet file, whole or not at all. Raises `UserError` where it cannot be written."""
    lines = [line(index, card) for card in cards]
    columns = list(dict.fromkeys(name for one in lines for name in one))
    columns.sort(key=lambda name: [name.startswith(group) for group in ("config/", "metric/")])
    content = as_csv(columns, lines) if path.suffix == ".csv" else _as_parquet(columns, lines)
    with writing(path, "--file"):
        files.write_named(path, content)


def line(index: RunIndex, card: Card) -> dict[str, Any]:
    """A run as names and values: settings as config/<name>, final scores as metric/<name>/<split>."""
    result = index.result(card.name)
    about: dict[str, Any] = {"run": card.name, **{name: getattr(card, name) for name in _ABOUT}}
    about |= {"started": card.started and card.started.isoformat(), "flags": ", ".join(card.flag_names)}
    about["weights_sha256"] = result.weights_sha256 if result else None
    settings = {f"config/{name}": value for name, value in card.config.items() if name != "seed"}
    scores = {name: value for name, value in (result.metrics if result else {}).items() if name.startswith("metric/")}
    return about | settings | scores


def as_csv(columns: Sequence[str], lines: Iterable[dict[str, Any]]) -> bytes:
    """Lines as CSV, with every digit; nothing where a run has no value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([one.get(name) for name in columns] for one in lines)
    return text.getvalue().encode("utf-8", "replace")


def _as_parquet(columns: Sequence[str], lines: Sequence[dict[str, Any]]) -> bytes:
    """Lines as Parquet; a column with values of several kinds, as of two experiments, holds texts."""
    with extras.needed("parquet", "a .parquet file"):
        import pyarrow
        import pyarrow.parquet

    def column(name: str) -> pyarrow.Array:
        values = [one.get(name) for one in lines]
        kinds = {type(value) for value in values if value is not None}
        if kinds <= {int, float} and kinds != {int}:
            return pyarrow.array([None if value is None else float(value) for value in values], pyarrow.float64())
        if len(kinds) > 1 or not kinds <= {int, str, bool}:
            return pyarrow.array([None if value is None else str(value) for value in values], pyarrow.string())
        return pyarrow.array(values)

    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({name: column(name) for name in columns}), sink)
    return sink.getvalue()
