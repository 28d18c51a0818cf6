"""MNIST: handwritten digits of 28 x 28 pixels, 60,000 to train and 10,000 to test with; and images in the same form.

Origin: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits (1998), usually cited as CC BY-SA
3.0. Its four files are in the idx form: a number for the kind of file, the sizes (all of them big-endian, 4 bytes
each), then one byte for each pixel or label. Other sets of images come as the same four files.
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnkit.core import UserError
from rnnkit.datasets import splits, store
from rnnkit.datasets.formats import text_file


FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
ORIGIN = store.Origin(
    name="mnist",
    addresses=tuple(f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}.gz" for name in FILES),
    wanted=rf"(?:^|/)({'|'.join(FILES)})$",
    sha256="5ca8df6f5f1ba7fdd52aa5e4b4d9097ab1d076d6300d8cd6f9d5171e38d42906",
    most_bytes=2**26,
)
CLASSES = 10
_MOST_BYTES = 2**30
_BYTES = 0x0800  # and the number of dimensions: the kind of an idx file of unsigned bytes


@dataclass(frozen=True)
class Part:
    """Images of shape (count, rows, columns), 0 to 255, and their labels of shape (count,), 0 to 9; both uint8."""

    images: np.ndarray
    labels: np.ndarray

    def subset(self, places: np.ndarray) -> "Part":
        """The images at the given places, in that order."""
        return Part(self.images[places], self.labels[places])


@dataclass(frozen=True)
class Images:
    """Images to train and to test with. `sha256` is the checksum of the four files (`store.checksum`)."""

    train: Part
    test: Part
    sha256: str


def load(data_dir: Path | None = None) -> Images:
    """The handwritten digits."""
    return parsed(store.contents(ORIGIN, data_dir), ORIGIN.name)


def read(folder: Path) -> Images:
    """Images of your own: the four files, as they are or compressed with gzip. Raises `UserError` for any other."""
    files: dict[str, bytes] = {}
    for name in FILES:
        files[name] = _content(folder, name, _MOST_BYTES - sum(map(len, files.values())))
        unpacked(files[name], _dimensions(name), f"{folder}/{name}")  # before the next is read
    return parsed(files, str(folder))


def made() -> Images:
    """The 1,797 digits of 8 x 8 pixels that come with scikit-learn, drawn 3 times as large on 28 x 28: no download.

    One in five is for the test. They pass through the same files.
    """
    from rnnkit.datasets import digits  # imports torch

    small, labels = digits.published()
    large = np.kron(small.reshape(-1, 8, 8), np.ones((3, 3))) * 255 // 16
    images = np.pad(large, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    train, test = splits.stratified(labels, 0.2, 0)
    arrays = (images[train], labels[train], images[test], labels[test])
    return parsed({name: packed(array) for name, array in zip(FILES, arrays, strict=True)}, "made")


def parsed(files: dict[str, bytes], name: str) -> Images:
    """The images of four idx files by their names. Raises `UserError`, with the file, for what does not fit."""
    arrays = [unpacked(files[file], _dimensions(file), f"{name}/{file}") for file in FILES]
    train, test = Part(*arrays[:2]), Part(*arrays[2:])
    for part, file in ((train, FILES[1]), (test, FILES[3])):
        if len(part.images) != len(part.labels):
            raise UserError(f"{name}/{file}: {len(part.labels)} labels for {len(part.images)} images")
        if len(strange := np.flatnonzero(part.labels >= CLASSES)):
            label = part.labels[strange[0]]
            raise UserError(f"{name}/{file}, label {strange[0]}: {label} is outside 0..{CLASSES - 1}")
    if train.images.shape[1:] != test.images.shape[1:]:
        sizes = " and ".join("{} x {}".format(*part.images.shape[1:]) for part in (train, test))
        raise UserError(f"{name}: images to train and to test with must be of one size, not {sizes}")
    return Images(train, test, store.checksum(files))


def packed(array: np.ndarray) -> bytes:
    """An idx file that holds numbers 0 to 255."""
    head = struct.pack(f">{1 + array.ndim}I", _BYTES + array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def unpacked(content: bytes, dimensions: int, name: str) -> np.ndarray:
    """The bytes that an idx file holds, as an array of so many dimensions. Raises `UserError` for any other file."""
    start = 4 * (1 + dimensions)
    if len(content) < start:
        raise UserError(f"{name}: {len(content)} bytes are too few for the head of an idx file, which has {start}")
    kind, *shape = struct.unpack(f">{1 + dimensions}I", content[:start])
    if kind != _BYTES + dimensions:
        raise UserError(
            f"{name}: starts with {kind:#010x} where an idx file of bytes in {dimensions} dimensions has "
            f"{_BYTES + dimensions:#010x}"
        )
    stated, actual = int(np.prod(shape, dtype=object)), len(content) - start
    sizes = " x ".join(map(str, shape))
    if not stated:
        raise UserError(f"{name}: its head says that it holds nothing ({sizes})")
    if stated != actual:
        raise UserError(f"{name}: its head says {sizes} = {stated} bytes, and {actual} follow")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _dimensions(name: str) -> int:
    return 3 if "images" in name else 1


def _content(folder: Path, name: str, most: int) -> bytes:
    """The bytes of a file in a folder, or of its compressed form beside it: no more than a byte beyond what it states.

    A compressed file can unpack to a thousand times its size.
    """
    plain, compressed = folder / name, folder / f"{name}.gz"
    opened = gzip.open if compressed.exists() and not plain.exists() else open
    path = plain if opened is open else compressed
    try:
        text_file.require_regular(path)
        with opened(path, "rb") as file:
            content = file.read(4 * (1 + _dimensions(name)))
            shape = struct.unpack(f">{len(content) // 4}I", content[: len(content) // 4 * 4])[1:]
            content += file.read(min(math.prod(shape), most) + 1)
    except FileNotFoundError:
        raise UserError(f"{plain} is not there, nor {compressed.name}: {folder} must hold {', '.join(FILES)}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {name} in {folder}: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > most:
        raise UserError(f"the files in {folder} hold more than {_MOST_BYTES:,} bytes with {name}: refused")
    return content
