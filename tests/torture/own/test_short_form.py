"""What `make torture` does with a thousand broken files, with few."""

import pytest

from tests.torture.own import files


def test_broken_files_are_read_with_all_rows_or_refused_in_a_line(tmp_path):
    counts = files.torture(240, 0, 0, tmp_path, say=lambda line: None)
    assert counts["read"] > 30
    assert counts["refused"] > 100


def test_a_row_that_is_lost_would_be_found(tmp_path, monkeypatch):
    """The control: counted otherwise, the first file that is read is one that was read wrongly."""
    monkeypatch.setattr(files, "rows_of", lambda kind, raw: 0)
    with pytest.raises(AssertionError, match=r" rows of 0: $"):
        files.torture(60, 0, 0, tmp_path, say=lambda line: None)
