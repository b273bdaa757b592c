"""The stacked layers of a network: where they are, which parameters lie below and above them."""

from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel


@dataclass(frozen=True)
class Stack:
    """Equal blocks, each reading the one before it. name: dotted, within the network it was looked for in."""

    name: str
    blocks: nn.ModuleList


def core(module: nn.Module) -> nn.Module:
    """What a task's head stands on: the transformers model inside, else the attribute `backbone`, else all of it."""
    inner = next((part for part in module.modules() if isinstance(part, PreTrainedModel)), None)
    return inner if inner is not None else getattr(module, "backbone", module)


def stacks(module: nn.Module) -> list[Stack]:
    """The outermost lists of blocks of one class: one in an encoder or decoder, two in an encoder-decoder."""
    found: list[Stack] = []
    for name, part in module.named_modules():
        inside = any(name.startswith(f"{stack.name}.") for stack in found)
        if isinstance(part, nn.ModuleList) and len(part) and not inside:
            kinds = {type(block) for block in part}
            if len(kinds) == 1 and any(True for _ in part.parameters()):
                found.append(Stack(name, part))
    return found


def heights(module: nn.Module) -> dict[str, int]:
    """How far each parameter of `module` is below the top: 0 above all blocks, 1 in the top block of its stack, ...

    What is below all blocks (embeddings, wherever they stand) has the height of the tallest stack plus 1.
    Empty where there are no stacked blocks.
    """
    inner = core(module)
    prefix = next(f"{name}." if name else "" for name, part in module.named_modules() if part is inner)
    towers = stacks(inner)
    if not towers:
        return {}
    bottom = max(len(tower.blocks) for tower in towers) + 1
    embeddings = {id(part.weight) for part in inner.modules() if isinstance(part, nn.Embedding)}
    order = {name: place for place, (name, _) in enumerate(inner.named_parameters(remove_duplicate=False))}
    first = {tower.name: min(order[name] for name in order if name.startswith(f"{tower.name}.")) for tower in towers}
    depths: dict[str, int] = {}
    for name, parameter in module.named_parameters():
        own = name.removeprefix(prefix)
        if not name.startswith(prefix) or own not in order:
            depths[name] = 0
            continue
        tower = max(towers, key=lambda tower: _shared(own, tower.name))
        if own.startswith(f"{tower.name}."):
            depths[name] = len(tower.blocks) - int(own.removeprefix(f"{tower.name}.").partition(".")[0])
        else:
            depths[name] = bottom if id(parameter) in embeddings or order[own] < first[tower.name] else 0
    return depths


def _shared(name: str, other: str) -> int:
    """How many parts two dotted names have in common at their beginning."""
    count = 0
    for mine, theirs in zip(name.split("."), other.split("."), strict=False):
        if mine != theirs:
            break
        count += 1
    return count
