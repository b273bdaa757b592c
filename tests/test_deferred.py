"""torch's compiler waits to be asked for, and is then what it would have been."""

import subprocess
import sys

import pytest

BEFORE = """
import sys
from headway.imports import lean

with lean():
    import torch, transformers
    from pytorch_lightning.utilities.compile import OptimizedModule
    from transformers import BertConfig, BertModel

layer = torch.nn.Linear(2, 2)
optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
layer(torch.ones(1, 2)).sum().backward()
optimizer.step()
optimizer.zero_grad()
assert not isinstance(layer, OptimizedModule)
BertModel(BertConfig(hidden_size=4, num_hidden_layers=1, num_attention_heads=1, vocab_size=9))(torch.ones(1, 3).long())
waiting = sys.modules["torch._dynamo"]
assert waiting is torch._dynamo and type(waiting).__name__ == "_Deferred", "nothing of that asked for it"
assert "torch._dynamo.symbolic_convert" not in sys.modules
"""
COMPILED = """
seen = []
def backend(graph, _):
    seen.append(graph)
    return graph.forward

compiled = torch.compile(layer, backend=backend)
assert torch.equal(compiled(torch.ones(1, 2)), layer(torch.ones(1, 2))) and len(seen) == 1
assert isinstance(compiled, OptimizedModule) and not isinstance(layer, OptimizedModule)
"""
MODULE_FIRST = """
import torch._dynamo.exc
from torch._dynamo import config
from torch._dynamo.eval_frame import OptimizedModule as true
assert torch._dynamo.exc is sys.modules["torch._dynamo.exc"] is sys.modules["torch._dynamo.convert_frame"].exc
assert torch._dynamo.exc.__spec__.origin.endswith("exc.py")
assert config is torch._dynamo.config and torch._dynamo.OptimizedModule is true
try:
    import torch._dynamo.nothing
except ModuleNotFoundError:
    pass
else:
    raise AssertionError
"""
AFTER = """
assert torch._dynamo is waiting and type(waiting).__name__ == "module"
assert torch._dynamo.disable is not None and torch._dynamo.disable.__module__.startswith("torch._dynamo")
try:
    torch._dynamo.nothing
except AttributeError:
    pass
else:
    raise AssertionError
"""


@pytest.mark.parametrize("order", [[COMPILED, MODULE_FIRST], [MODULE_FIRST, COMPILED]], ids=["asked", "imported"])
def test_training_does_without_and_who_asks_gets_all_of_it(order: list[str]) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", "".join([BEFORE, *order, AFTER])], check=True)


def test_a_compiler_that_is_there_stays() -> None:
    code = """
import torch._dynamo
from headway.deferred import defer_compiler

before = torch._dynamo
defer_compiler()
assert torch._dynamo is before and type(before).__name__ == "module"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
