import gzip
import hashlib
import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from rnnkit.core.errors import UserError
from rnnkit.datasets import mnist
from tests.helpers import data_at_hand


def small(count=6, other=4, rows=2, columns=3):
    """The four files of a few images whose pixels count up."""
    shapes = ((count, rows, columns), (count,), (other, rows, columns), (other,))
    arrays = [np.arange(np.prod(shape)).reshape(shape) % (10 if len(shape) == 1 else 256) for shape in shapes]
    return {name: mnist.packed(array) for name, array in zip(mnist.FILES, arrays, strict=True)}


@given(st.integers(1, 3).flatmap(lambda n: st.lists(st.integers(1, 5), min_size=n, max_size=n)), st.randoms())
def test_what_was_packed_is_unpacked(shape, random):
    array = np.array([random.randrange(256) for _ in range(np.prod(shape))], dtype=np.uint8).reshape(shape)
    content = mnist.packed(array)
    assert np.array_equal(mnist.unpacked(content, len(shape), "some"), array)
    for spoiled in (content[:-1], content + b"\0"):
        with pytest.raises(UserError, match=r"bytes, and \d+ follow|too few for the head"):
            mnist.unpacked(spoiled, len(shape), "some")


def test_the_form_is_the_published_one():
    # Magic number 2051 for images and 2049 for labels, as the files' publisher describes them.
    images = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert mnist.packed(images) == struct.pack(">IIII", 2051, 2, 2, 3) + bytes(range(12))
    assert mnist.packed(np.array([7, 9])) == struct.pack(">II", 2049, 2) + b"\x07\x09"


IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = mnist.FILES


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({IMAGES: b""}, f"some/{IMAGES}: 0 bytes are too few for the head"),
        (
            {LABELS: struct.pack(">I", 2049)},
            f"some/{LABELS}: 4 bytes are too few for the head of an idx file, which has 8",
        ),
        ({IMAGES: struct.pack("<IIII", 2051, 1, 1, 1) + b"\0"}, f"some/{IMAGES}: starts with 0x03080000 where"),
        (
            {IMAGES: mnist.packed(np.zeros(9))},
            "starts with 0x00000801 where an idx file of bytes in 3 dimensions has 0x00000803",
        ),
        ({TEST_LABELS: mnist.packed(np.zeros((1, 1, 1)))}, f"some/{TEST_LABELS}: starts with 0x00000803 where"),
        ({LABELS: struct.pack(">II", 2049, 6) + bytes(5)}, "its head says 6 = 6 bytes, and 5 follow"),
        (
            {IMAGES: struct.pack(">IIII", 2051, 6, 2, 3) + bytes(37)},
            "its head says 6 x 2 x 3 = 36 bytes, and 37 follow",
        ),
        ({IMAGES: struct.pack(">IIII", 2051, 2**31, 2**31, 2**31)}, f"= {2**93} bytes, and 0 follow"),
        ({IMAGES: struct.pack(">IIII", 2051, 6, 0, 3)}, "its head says that it holds nothing (6 x 0 x 3)"),
        ({TEST_LABELS: mnist.packed(np.zeros(5))}, f"some/{TEST_LABELS}: 5 labels for 4 images"),
        ({LABELS: mnist.packed(np.array([0, 1, 9, 10, 11, 0]))}, f"some/{LABELS}, label 3: 10 is outside 0..9"),
        ({TEST_IMAGES: mnist.packed(np.zeros((4, 3, 2)))}, "must be of one size, not 2 x 3 and 3 x 2"),
    ],
)
def test_files_that_do_not_fit_are_refused_by_name(spoil, message):
    with pytest.raises(UserError) as error:
        mnist.parsed(small() | spoil, "some")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_of_ones_own_plain_or_compressed(tmp_path):
    files = small()
    for i, (name, content) in enumerate(files.items()):
        if i % 2:
            (tmp_path / name).write_bytes(content)
        else:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    images = mnist.read(tmp_path)
    assert np.array_equal(images.train.images.ravel(), np.arange(36))
    assert images.test.labels.tolist() == [0, 1, 2, 3]
    assert images.sha256 == mnist.parsed(files, "some").sha256

    (tmp_path / f"{IMAGES}.gz").write_bytes(gzip.compress(files[IMAGES])[:-9])
    with pytest.raises(UserError, match=f"cannot read {IMAGES} in "):
        mnist.read(tmp_path)
    (tmp_path / f"{IMAGES}.gz").write_bytes(b"no gzip at all")
    with pytest.raises(UserError, match=f"cannot read {IMAGES} in "):
        mnist.read(tmp_path)
    (tmp_path / f"{IMAGES}.gz").unlink()
    with pytest.raises(UserError, match=f"{IMAGES} is not there, nor {IMAGES}.gz: .* must hold {IMAGES}, {LABELS}"):
        mnist.read(tmp_path)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_pipe_is_no_file(tmp_path, ending):
    for name, content in small().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / IMAGES).unlink()
    os.mkfifo(tmp_path / f"{IMAGES}{ending}")
    with pytest.raises(UserError, match=f"{IMAGES}{ending}: it is not a regular file"):
        mnist.read(tmp_path)


def test_more_than_can_be_meant_is_refused(tmp_path, monkeypatch):
    for name, content in small().items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setattr(mnist, "_MOST_BYTES", 40)
    with pytest.raises(UserError, match=f"hold more than 40 bytes with {IMAGES}"):
        mnist.read(tmp_path)


def test_a_bomb_is_not_unpacked_beyond_what_its_head_says(tmp_path):
    """8 GB of zeros in four files of 2 MB: what is read of them stays small, and the first ends it."""
    bomb = zlib.compressobj(wbits=31)
    packed = b"".join(bomb.compress(bytes(2**20)) for _ in range(64)) + bomb.flush()
    for name, content in small().items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content) + 32 * packed)  # members follow each other
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=rf"{IMAGES}: its head says .*, and \d+ follow"):
            mnist.read(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_made_images_are_scikit_learns_digits():
    images = mnist.made()
    digits, labels = load_digits(return_X_y=True)
    assert (images.train.images.shape, images.test.images.shape) == ((1437, 28, 28), (360, 28, 28))
    every = np.concatenate([images.train.images, images.test.images])
    assert every.max() == 255
    assert not every[:, [0, 1, 26, 27]].any()
    small = every[:, 3:26:3, 3:26:3].reshape(-1, 64)  # the middle of each block of 3 x 3
    label_of = {
        digit.tobytes(): label for digit, label in zip((digits * 255 // 16).astype(np.uint8), labels, strict=True)
    }
    labels_in_order = [label_of[digit.tobytes()] for digit in small]
    assert labels_in_order == [*images.train.labels, *images.test.labels]
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            assert np.array_equal(every[:, 3 + di : 26 + di : 3, 3 + dj : 26 + dj : 3].reshape(-1, 64), small)
    assert np.ptp(np.bincount(images.test.labels)) <= 2


def test_the_real_ones_are_those_that_are_known():
    images = mnist.load(data_at_hand("mnist"))
    assert (images.train.images.shape, images.test.images.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert images.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert images.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(images.train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(images.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # The mean and deviation that everybody standardises with, and the MD5 of the decompressed files.
    assert images.train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert images.train.images.std() / 255 == pytest.approx(0.3081, abs=5e-5)
    for array, md5 in (
        (images.train.images, "6bbc9ace898e44ae57da46a324031adb"),
        (images.train.labels, "a25bea736e30d166cdddb491f175f624"),
        (images.test.images, "2646ac647ad5339dbf082846283269ea"),
        (images.test.labels, "27ae3e4e09519cfbb04c329615203637"),
    ):
        assert hashlib.md5(mnist.packed(array)).hexdigest() == md5
