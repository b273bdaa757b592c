"""What a generated token costs: Headway beside transformers' generate, a loop without a cache, and the products alone.

python tests/bench/bench_generation.py [--rounds 3] [--tokens 96] [--write FOLDER]

The model has GPT-2's shape with 6 layers and random weights, in float32 on one thread; the ways take turns. The floor
is a step's products with weights alone, with so many rows, each with its weights in the fastest of three layouts;
those of attention with the cache are not in it. "own products" are the same as the model's layers compute them. A step
is counted from the end of one forward pass to that of the next; what comes before the first (the prompt, copies of
weights) apart.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from harness import machine, quiet, report, say, shown, spread, table
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.pytorch_utils import Conv1D

from headway.models import unpadded
from headway.models.quick import quicken
from headway.tasks.decoding import Decoding, generate

PROMPT = 32  # tokens
UNCACHED = 6  # tokens that the loop without a cache generates, spread over those of the others
GOALS = {1: 0.8, 8: 0.7}  # of the floor, by batch size
CACHE_GOAL = 5.0  # times the loop without a cache


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--tokens", type=int, default=96, help="generated for each row")
    options.add_argument("--write", type=Path, metavar="FOLDER", help="where generation.json and generation.md go")
    given = options.parse_args()
    quiet()
    torch.manual_seed(0)
    config = GPT2Config(n_layer=6, bos_token_id=None, eos_token_id=None, pad_token_id=0)
    model: Any = GPT2LMHeadModel._from_config(config, attn_implementation="sdpa").eval()
    ours = deepcopy(model)
    unpadded.switch_to(ours, 0)
    quicken(ours)
    batches = [measured(model, ours, size, given.tokens, given.rounds) for size in GOALS]
    about = machine(threads=1, prompt=PROMPT, tokens=given.tokens)
    result = {"machine": about, "batches": batches}
    report("generation", result, page(result), given.write)


@torch.inference_mode()
def measured(model: Any, own: Any, size: int, tokens: int, rounds: int) -> dict[str, Any]:
    """Milliseconds of CPU time a step, by way, and what they are to one another within each round. own: our copy."""
    prompts = torch.randint(0, model.config.vocab_size, (size, PROMPT), generator=torch.Generator().manual_seed(size))
    products, layouts = floor(model, size)
    plain = own_products(model, size)
    batch = {"input_ids": prompts, "attention_mask": torch.ones_like(prompts)}
    theirs_meter, meter, costs = Meter(model), Meter(own), []
    for turn in range(rounds):
        cost = {"floor": timed(products, tokens // 4), "own products": timed(plain, tokens // 8)}
        ours, cost["Headway"], cost["Headway, rest"] = meter.run(
            lambda: torch.tensor(generate(own, batch, Decoding(max_new_tokens=tokens)))
        )
        theirs, cost["transformers"], cost["transformers, rest"] = theirs_meter.run(
            lambda: model.generate(**batch, max_new_tokens=tokens, do_sample=False)[:, PROMPT:]
        )
        assert torch.equal(ours, theirs), "transformers' generate gives other tokens"
        cost["no cache"] = uncached(model, prompts, ours)
        costs.append(cost)
        told = ", ".join(f"{name} {value:.1f}" for name, value in cost.items())
        say(f"batch {size}, round {turn + 1} of {rounds}: ms: {told}")
    meter.remove()
    theirs_meter.remove()

    def ratios(over: str, under: str) -> dict[str, float]:
        return spread([cost[over] / cost[under] for cost in costs])

    return {
        "batch": size,
        "layouts": layouts,
        "rounds": costs,
        "tokens_per_s": {way: spread([1e3 * size / cost[way] for cost in costs]) for way in costs[0] if "," not in way},
        "rest_ms": {way: spread([cost[f"{way}, rest"] for cost in costs]) for way in ("Headway", "transformers")},
        "of_floor": {way: ratios("floor", way) for way in ("Headway", "transformers", "own products")},
        "over": {way: ratios(way, "Headway") for way in ("transformers", "no cache", "own products")},
        "goal": GOALS[size],
    }


class Meter:
    """Stamps the end of each forward pass of a model."""

    def __init__(self, model: Any) -> None:
        self.moments: list[float] = []
        self.remove = model.register_forward_hook(lambda *_: self.moments.append(time.process_time())).remove

    def run(self, way: Callable[[], Tensor]) -> tuple[Tensor, float, float]:
        """What it returns, milliseconds a step, and those of the call that are of no step."""
        self.moments.clear()
        begin = time.process_time()
        found = way()
        whole, steps = time.process_time() - begin, self.moments[-1] - self.moments[0]
        return found, 1e3 * steps / (len(self.moments) - 1), 1e3 * (whole - steps)


def uncached(model: Any, prompts: Tensor, made: Tensor) -> float:
    """Milliseconds a token of reading the whole text anew for each, which must give the same ones."""
    begin = time.process_time()
    places = torch.linspace(0, made.shape[1] - 1, UNCACHED).long().tolist()
    for place in places:
        text = torch.cat([prompts, made[:, :place]], 1)
        tokens = model(input_ids=text, use_cache=False, logits_to_keep=1).logits[:, -1].argmax(-1)
        assert torch.equal(tokens, made[:, place]), "without a cache there are other tokens"
    return 1e3 * (time.process_time() - begin) / len(places)


def floor(model: Any, rows: int) -> tuple[list[Callable[[], Tensor]], dict[str, str]]:
    """The products of one step, and which layout each kind of layer has there."""
    kinds: dict[str, list[Any]] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, (nn.Linear, Conv1D)):
            kinds.setdefault(".".join(part for part in name.split(".")[-2:] if not part.isdigit()), []).append(layer)
    chosen: list[Callable[[], Tensor]] = []
    layouts = {}
    for kind, layers in kinds.items():
        laid_out = [products_of(layer, rows) for layer in layers]
        costs = {layout: timed([one[layout] for one in laid_out], 7) for layout in laid_out[0]}
        layouts[kind] = min(costs, key=costs.__getitem__)
        chosen += [one[layouts[kind]] for one in laid_out]
    return chosen, layouts


def own_products(model: Any, rows: int) -> list[Callable[[], Tensor]]:
    """The products of one step as the model's layers compute them."""
    layers = [layer for layer in model.modules() if isinstance(layer, (nn.Linear, Conv1D))]
    widths = [layer.weight.shape[0 if isinstance(layer, Conv1D) else 1] for layer in layers]
    return [partial(layer, torch.randn(rows, 1, width)) for layer, width in zip(layers, widths, strict=True)]


def products_of(layer: Any, rows: int) -> dict[str, Callable[[], Tensor]]:
    """Of one layer and any inputs, by the layout of its weights."""
    weight = layer.weight.t() if isinstance(layer, Conv1D) else layer.weight  # [out, in]
    bias, rowwise, columnwise = layer.bias, weight.contiguous(), weight.t().contiguous().t()
    blocked = torch.ops.mkldnn._reorder_linear_weight(rowwise, rows)
    inputs = torch.randn(rows, weight.shape[1])
    return {
        "by rows": lambda: F.linear(inputs, rowwise, bias),
        "by columns": lambda: F.linear(inputs, columnwise, bias),
        "blocked": lambda: torch.ops.mkldnn._linear_pointwise(inputs, blocked, bias, "none", [], ""),
    }


def timed(products: Sequence[Callable[[], Tensor]], times: int) -> float:
    """Milliseconds of CPU time that all of them together take, after one run that is not counted."""
    for turn in range(times + 1):
        if turn == 1:
            begin = time.process_time()
        for product in products:
            product()
    return 1e3 * (time.process_time() - begin) / times


def page(result: dict[str, Any]) -> str:
    about = result["machine"]
    rows = []
    for one in result["batches"]:
        for way, speed in one["tokens_per_s"].items():
            part, rest = shown(one["of_floor"].get(way)), shown(one["rest_ms"].get(way))
            goal = f"{one['goal']:g}" if way == "Headway" else ""
            rows.append([one["batch"], way, shown(speed), part, goal, shown(one["over"].get(way)), rest])
    header = [
        "batch",
        "way",
        "tokens/s",
        "of the floor",
        "goal",
        "Headway is so many times as fast",
        "rest of a call, ms",
    ]
    return (
        f"Measured {about['date']} on {about['cores']} cores of {about['cpu']}, one thread, torch {about['torch']}, "
        f"transformers {about['transformers']}: 6 layers of GPT-2's shape, float32, prompts of {about['prompt']} and "
        f"{about['tokens']} new tokens; CPU time, medians (least to greatest). All ways give the same "
        f"tokens. The goal over the loop without a cache: {CACHE_GOAL:g} times.\n\n" + table(header, rows) + "\n"
    )


if __name__ == "__main__":
    main()
