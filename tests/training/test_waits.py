"""A step commands the device and asks it nothing: a GPU that is asked stands still until it is commanded again.

The device of these tests is not there: its tensors call themselves "meta" and lie on the host, where every operation is
computed, so forward and backward give real numbers. What a GPU would have to wait for is refused, as is an operation on
tensors of both places.
"""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
import torch
from kill_and_resume import AXES, config, task_cases, write_data
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map

from headway.data.batching import TrainPlan
from headway.models import host
from headway.models.host import on_host, send
from headway.training.loaders import TrainSteps
from headway.training.loop import make_module
from headway.training.module import TrainingModule
from headway.training.session import open_session

aten = torch.ops.aten
ASKS = {  # the host needs the answer: a number, or the shape of a result
    *(aten._local_scalar_dense, aten.is_nonzero, aten.equal, aten.nonzero, aten.masked_select, aten.bincount),
    *(aten._unique2, aten.unique_dim, aten.unique_consecutive, aten.repeat_interleave),
}
TAKES_BOTH = {aten._pack_padded_sequence}  # its lengths are on the host
TURNS = {aten.transpose_, aten.squeeze_, aten.unsqueeze_}  # changes the shape of what is on the device


class Away(Tensor):
    """On the device, which a CUDA-less torch can only be told under the name "meta"."""

    here: Tensor

    def __new__(cls, here: Tensor) -> Self:
        form = {"strides": here.stride(), "storage_offset": here.storage_offset(), "dtype": here.dtype}
        self: Self = Tensor._make_wrapper_subclass(cls, here.shape, **form, device=torch.device("meta"))  # type: ignore[attr-defined]
        self.here = here
        return self

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} without the device")


class Device(TorchDispatchMode):
    """Computes what is asked of tensors on the device; `asked` names what a GPU would have waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        given = [one for one in tree_iter((args, kwargs)) if isinstance(one, Tensor)]
        away = [one for one in given if isinstance(one, Away)]
        target = kwargs.get("device")
        stays = bool(away) if target is None else torch.device(target).type == "meta"
        if not away and not stays:
            return func(*args, **kwargs)
        kind = func.overloadpacket
        if target is not None:
            kwargs["device"] = torch.device("cpu")
        elif kind not in TAKES_BOTH and any(one.dim() and not isinstance(one, Away) for one in given):
            raise RuntimeError(f"{func}: tensors on two devices")
        masks = kind is aten.index and any(one is not None and one.dtype == torch.bool for one in args[1])
        crosses = kind is aten._to_copy and bool(away) != stays and not kwargs.get("non_blocking")
        if kind in ASKS or masks or crosses:
            self.asked.append(str(func))
        args, kwargs = tree_map(lambda one: one.here if isinstance(one, Away) else one, (args, kwargs))
        made = func(*args, **kwargs)
        if kind in TURNS:
            with torch._C._DisableTorchDispatch():
                func(away[0], *args[1:])
        if not stays:
            return made
        same = {id(one.here): one for one in away}  # what works in place gives its argument back

        def there(one: Any) -> Any:
            if not isinstance(one, Tensor):
                return one
            return same[id(one)] if id(one) in same else Away(one)

        return tree_map(there, made)

    def send(self, model: nn.Module) -> None:
        """Parameters and buffers; what is one tensor in two places stays one."""
        moved: dict[int, Tensor] = {}
        with self:
            for part in model.modules():
                for own in part._parameters, part._buffers:
                    for name, value in own.items():
                        if value is None:
                            continue
                        if id(value) not in moved:
                            there: Tensor = Away(value.detach())
                            trained = isinstance(value, nn.Parameter)
                            moved[id(value)] = nn.Parameter(there, value.requires_grad) if trained else there
                        own[name] = moved[id(value)]  # type: ignore[assignment]


@pytest.fixture(scope="module")
def cases(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("waits")
    write_data(folder)
    return task_cases(str(tiny_bert), folder)


def opened(parts: dict[str, Any], **changes: Any) -> tuple[TrainingModule, dict[str, Any]]:
    """What trains, and the first batch."""
    axes = {name: values[0] for name, values in AXES.items()} | changes
    node = OmegaConf.create(config(parts, axes))
    session = open_session(node)
    torch.manual_seed(0)
    module = make_module(node, session, session.model(weights=True), lambda *_: 1.0, 1)
    module.trainer = SimpleNamespace(world_size=1)
    plan = TrainPlan(session.encoded["train"].lengths, 8, 1, 1, bucket=True, tokens=None)
    return module, TrainSteps(session.task, session.encoded["train"], plan, 1, 0, session.pad)[0, 0]


def step(module: TrainingModule, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Loss and norm of the gradient."""
    module.zero_grad()
    module.step_loss = None
    module.training_step(batch, 0).backward()
    module.configure_gradient_clipping(None)
    assert module.step_loss is not None
    assert module.grad_norm is not None
    return module.step_loss, module.grad_norm


def asked_by_a_step(parts: dict[str, Any], **changes: Any) -> list[str]:
    """What the device was asked in a step with dropout; without, the step comes to what it comes to on the host."""
    module, batch = opened(parts, **changes)
    expected = [one.item() for one in step(module.eval(), batch)]
    device = Device()
    device.send(module)
    module.weights = list(module.model.parameters())
    with device:
        sent = module.transfer_batch_to_device(batch, torch.device("meta"), 0)
        found = step(module, sent)
        step(module.train(), sent)
    assert [cast(Away, one).here.item() for one in found] == pytest.approx(expected, rel=1e-4)
    return device.asked


@pytest.mark.parametrize("task", task_cases("", Path()))
def test_a_step_asks_the_device_nothing(task: str, cases: dict[str, dict[str, Any]]) -> None:
    parts = cases[task]
    if task == "masked_lm":
        parts = {**parts, "task": {**parts["task"], "next_sentence": False}}
    assert asked_by_a_step(parts) == []


def test_where_padding_is_computed_transformers_asks_whether_there_is_any(cases: dict[str, dict[str, Any]]) -> None:
    """So that this file would see it."""
    assert asked_by_a_step(cases["classification"], attention="sdpa") == ["aten._local_scalar_dense.default"] * 2


def test_what_nobody_remembers_is_asked_of_the_device() -> None:
    device, here = Device(), torch.arange(6).view(2, 3)
    with device:
        there = here.to("meta", non_blocking=True)
        assert device.asked == []
        assert on_host(there).tolist() == here.tolist()
        assert device.asked == ["aten._to_copy.default"]
        assert on_host(send({"x": here}, torch.device("meta"))["x"]) is here
    assert device.asked == ["aten._to_copy.default"]


def test_what_was_sent_is_forgotten_with_what_is_there() -> None:
    with Device():
        there = send({"x": torch.ones(3)}, torch.device("meta"))
    assert len(host._sent) == 1
    del there
    assert len(host._sent) == 0


def test_on_the_processor_nothing_is_copied_or_remembered() -> None:
    here = torch.ones(3)
    assert send({"x": here}, torch.device("cpu"))["x"] is here
    assert on_host(here) is here
    assert len(host._sent) == 0
