"""Quicker parts stand where the network's own did, and compute the same."""

import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.activations import NewGELUActivation

from headway.models.dropout import Dropout
from headway.models.quick import quicken


def test_takes_the_place_of_torchs_own_and_keeps_names_and_rates() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Dropout(0.3), nn.Dropout1d(0.5)))
    names = list(network.state_dict())
    quicken(network)
    assert [type(part) for part in network[1]] == [Dropout, nn.Dropout1d]
    assert network[1][0].p == 0.3
    assert list(network.state_dict()) == names


def test_a_network_gives_what_it_gave() -> None:
    torch.manual_seed(0)
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 50, "n_positions": 16}
    model = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=1, eos_token_id=2)).eval()
    ids = torch.arange(12)[None]
    with torch.no_grad():
        expected = model(ids).logits
        quicken(model)
        torch.testing.assert_close(model(ids).logits, expected, atol=1e-6, rtol=1e-5)
    assert not any(isinstance(part, NewGELUActivation) for part in model.modules())
