import hashlib

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
