"""Long tables: what memory they take while they are read."""

import tracemalloc

import numpy as np

from rnnkit.datasets.own import How, read
from rnnkit.datasets.own.tables import reading


def test_a_long_table_takes_little_more_memory_than_its_numbers(tmp_path, monkeypatch):
    for name in ("AT_ONCE", "HEAD"):  # beside 30,000 rows the fields of some at a time are little
        monkeypatch.setattr(reading, name, 100)
    steps = np.random.default_rng(0).normal(size=(30_000, 6)).round(2).astype(np.float32)
    rows = (
        f"{number // 300},{number % 300},{','.join(map(str, row))},{number // 300 % 2}\n"
        for number, row in enumerate(steps.tolist())
    )
    (tmp_path / "x.csv").write_text("id,time,a,b,c,d,e,f,label\n" + "".join(rows))
    read(tmp_path / "x.csv", How(target="label"))  # what is imported and kept the first time
    tracemalloc.start()
    data = read(tmp_path / "x.csv", How(target="label"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(np.concatenate(data.inputs), steps)
    assert peak < 2.75 * steps.nbytes
