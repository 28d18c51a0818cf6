import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rnnkit.core.errors import UserError
from rnnkit.runs import checkpoints


def test_a_checkpoint_comes_back_and_plain_torch_reads_it_too(tmp_path):
    state = {"weights": nn.GRU(2, 3).state_dict(), "epoch": 4}
    checkpoints.save(tmp_path / "c.pt", state)
    for again in (
        checkpoints.load(tmp_path / "c.pt"),
        torch.load(tmp_path / "c.pt", weights_only=True),
    ):
        assert again["epoch"] == 4
        assert all(torch.equal(again["weights"][k], v) for k, v in state["weights"].items())
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


def test_every_damage_to_a_checkpoint_is_noticed(tmp_path):
    path = tmp_path / "c.pt"
    checkpoints.save(path, {"weights": torch.arange(50.0)})
    whole = path.read_bytes()
    generator = torch.Generator().manual_seed(0)
    for position in torch.randint(len(whole), (60,), generator=generator).tolist():
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        with pytest.raises(UserError, match="damaged"):
            checkpoints.load(path)
        path.write_bytes(whole[:position])
        with pytest.raises(UserError, match="damaged"):
            checkpoints.load(path)


def test_a_file_with_a_checksum_of_its_own_is_loaded_or_refused_in_a_line(tmp_path):
    """What torch stumbles over in it, whatever it is, is no traceback."""
    path = tmp_path / "c.pt"
    checkpoints.save(path, {"weights": torch.arange(50.0), "names": ["a", "b"]})
    body = path.read_bytes()[:-40]
    generator = torch.Generator().manual_seed(1)
    refused = set()
    for position in torch.randint(len(body), (200,), generator=generator).tolist():
        crafted = body[:position] + bytes([body[position] ^ 8]) + body[position + 1 :]
        path.write_bytes(crafted + b"RNNCKPT1" + hashlib.sha256(crafted).digest())
        try:
            checkpoints.load(path)
        except UserError as error:
            refused.add(str(error))
    assert len(refused) > 5
    assert not any("\n" in reason for reason in refused)


class Runs:
    """What an attacker would put into a checkpoint: code that runs when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    marker = tmp_path / "ran"
    checkpoints.save(tmp_path / "c.pt", {"weights": Runs(marker)})
    with pytest.raises(UserError, match="holds more than tensors and plain values"):
        checkpoints.load(tmp_path / "c.pt")
    assert not marker.exists()


KEPT = {
    "an array": (np.arange(3), [0, 1, 2]),
    "words": (np.array(["a", "b"]), ["a", "b"]),
    "a number": (np.float32(0.5), 0.5),
    "a number of 64 bits": (np.float64(0.5), 0.5),
    "nested": ({"a": (np.int64(1), [np.bool_(True)]), 2: None}, {"a": (1, [True]), 2: None}),
    "keys": ({np.str_("a"): 1, np.int64(3): b"x"}, {"a": 1, 3: b"x"}),
}


@pytest.mark.parametrize("kind", KEPT)
def test_what_numpy_has_is_kept_as_pythons_own_and_comes_back(tmp_path, kind):
    given, expected = KEPT[kind]
    checkpoints.save(tmp_path / "c.pt", {"kept": checkpoints.plain(given, "kept")})
    again = checkpoints.load(tmp_path / "c.pt")["kept"]
    assert again == expected
    assert type(again) is type(expected)


@pytest.mark.parametrize("wrong", [{1, 2}, Path("x"), object(), len, {"deep": [1, {2}]}, range(3)])
def test_what_could_not_be_loaded_is_refused_when_it_is_kept(wrong):
    with pytest.raises(UserError, match=r"must be tensors and plain values, and scale.* is a <class"):
        checkpoints.plain(wrong, "scale")


OF_TYPES = [torch.bfloat16, torch.float16, torch.float64, torch.complex64, torch.bool, torch.int8, torch.float8_e4m3fn]


def digest_of(tensor):
    module = nn.Module()
    module.register_buffer("part", tensor)
    return checkpoints.weights_sha256(module)


@pytest.mark.parametrize("dtype", OF_TYPES)
def test_weights_of_any_type_have_a_digest_of_their_bytes(dtype):
    numbers = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 4.0]]).to(dtype)
    stored = bytes(numbers.flatten().view(torch.uint8).tolist())
    expected = hashlib.sha256(f"part {dtype} (2, 3)\n".encode() + stored).hexdigest()
    assert digest_of(numbers) == digest_of(numbers.t().contiguous().t()) == expected
    changed = numbers.clone()
    changed[1, 2] = 0
    assert digest_of(changed) != expected


def test_weights_that_lie_oddly_have_the_digest_of_what_they_say():
    numbers = torch.tensor([1 + 2j, 3 - 1j])
    assert digest_of(numbers.conj()) == digest_of(numbers.conj().resolve_conj()) != digest_of(numbers)
    assert digest_of(numbers.conj().imag) == digest_of(torch.tensor([-2.0, 1.0]))
    assert digest_of(torch.eye(3).to_sparse()) == digest_of(torch.eye(3))
    assert digest_of(torch.tensor(5.0)) != digest_of(torch.tensor([5.0])) != digest_of(torch.zeros(0))
