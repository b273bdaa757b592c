"""model.gradient_checkpointing: activations computed a second time give the same gradients, padding or none."""

from pathlib import Path

import pytest
import torch

from headway.models.pretrained import Pretrained
from headway.models.unpadded import runs_unpadded


@pytest.mark.parametrize("attention", ["unpadded", "sdpa"])
@pytest.mark.parametrize("kind", ["bert", "gpt", "llama"])
def test_gradients_are_the_same_and_layers_run_twice(kind: str, attention: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(f"tiny_{kind}")
    ids = torch.randint(5, 60, (4, 9), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(9) < torch.tensor([9, 3, 7, 1])[:, None]).long()
    gradients: list[list[torch.Tensor]] = []
    calls: list[int] = []
    for checkpointing in (False, True):
        dropout = {"dropout": 0.1} if kind != "llama" else {}
        source = Pretrained(str(path), attn_implementation=attention, gradient_checkpointing=checkpointing, **dropout)
        backbone = source.backbone(source.tokenizer(), weights=True).train()
        assert any(map(runs_unpadded, backbone.modules())) == (attention == "unpadded")
        calls.append(0)
        layers = [part for part in backbone.modules() if "Attention" in type(part).__name__]
        for part in layers:
            part.register_forward_pre_hook(lambda *_: calls.__setitem__(-1, calls[-1] + 1))
        torch.manual_seed(1)  # of dropout
        (backbone(ids, mask).last_hidden_state * mask[..., None]).square().sum().backward()
        gradients.append([one.grad for one in backbone.parameters() if one.grad is not None])
    assert calls[1] == 2 * calls[0] > 0
    assert len(gradients[0]) == len(gradients[1]) > 0
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(checkpointed, plain)
