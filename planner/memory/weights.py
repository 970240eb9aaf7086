"""GPU memory that a model's weights take after loading."""

import math
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

from planner.data_files import data_file
from planner.gpus import Gpu, capability
from planner.memory.request import MemoryRequest
from planner.models import ModelFacts, WeightFormat
from planner.parameters import Part, Tensor, count_parameters, tensors

GIB = 1024**3
_MIB = 1024**2
USUAL_VISION_BILLION = 0.4
"""Parameters of a vision tower nothing is known of: those of the catalogue have 0.1 to 0.7 billion."""


class Format(BaseModel):
    """How weights are stored; columns and sources in `data/weight_formats.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    match: tuple[str, ...]
    bytes: float
    quantised: frozenset[str]
    error: float
    cap: str
    native: str | None

    def part_bytes(self, part: Part, recipe: WeightFormat | None = None) -> float:
        """Bytes per number of one part of the model; a repository's own recipe goes first."""
        name = part.name.lower()
        if recipe is not None and name in recipe.part_bytes:
            return recipe.part_bytes[name]
        return self.bytes if name in self.quantised else 2.0


def formats_of(gpu: Gpu) -> Mapping[str, bool]:
    """Return the weight formats a chip can hold, and whether it also computes in them; none if not known."""
    cap = gpu.compute_capability
    if cap is None:
        return {}
    return {
        form.name: form.native is not None and cap >= capability(form.native)
        for form in weight_formats().values()
        if cap >= capability(form.cap)
    }


class Weights(BaseModel):
    """Weights on one GPU."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gib: float
    error_gib: float
    """Standard error."""


_KNOWN_RECIPE_ERROR = 0.02
"""Standard error where the catalogue knows which parts a repository quantises."""
_DISAGREEMENT = 0.1
"""Architecture and published parameters that differ by more do not describe the same model."""


@cache
def weight_formats() -> Mapping[str, Format]:
    """Return all formats by name, in the order they are matched."""
    rows = data_file("weight_formats.yaml")["formats"]
    return MappingProxyType({name: Format(name=name, **row) for name, row in rows.items()})


@cache
def weight_format(text: str) -> Format | None:
    """Return the format that free text such as `awq-int4` or `fp8 (compressed-tensors)` names."""
    words = text.lower()
    return next((f for f in weight_formats().values() if any(word in words for word in f.match)), None)


def allocated_bytes(size: float) -> float:
    """What PyTorch's allocator takes for one tensor.

    Segments of 10 MiB or more are multiples of 2 MiB; what is left of one is given to others only if it is
    over 1 MiB (c10/cuda/CUDACachingAllocator: kMinLargeAlloc, kRoundLarge, kSmallSize).
    """
    if size < 10 * _MIB:
        return size
    segment = math.ceil(size / (2 * _MIB)) * 2 * _MIB
    return segment if segment - size <= _MIB else size


def position_table_bytes(facts: ModelFacts) -> float:
    """The table of rotary angles: two 16-bit numbers per position and half of the rotated width."""
    if facts.latent:
        width = facts.latent.qk_rope_head_dim
    else:
        width = (facts.head_dim or 0) // (4 if facts.recurrent else 1)  # hybrids rotate a quarter
    if facts.full_layers:
        width += facts.full_layers.head_dim  # a second table for the layers that see everything
    return (facts.context or 0) * facts.position_copies * width * 2.0


def stored_gib(facts: ModelFacts, form: str | None = None) -> float | None:
    """Return the size of a model's weight files in one of its formats, or in its native one.

    As catalogued where a source gives it, else counted from the architecture; None where neither is known.
    """
    known = facts.formats.get(form) if form else None
    if known is not None and known.gib is not None:
        return known.gib
    found, described = tensors(facts), weight_format(form or facts.native_format)
    if found is None or described is None:
        return None
    return sum(t.count * t.numbers * described.part_bytes(t.part, known) for t in found) / GIB


def gpu_weights(request: MemoryRequest, text_only: bool) -> Weights | None:
    """Return the weights on the fullest GPU; None where neither sizes nor architecture are known."""
    facts = request.model
    form = weight_format(request.weight_format or facts.native_format)
    share = request.tensor_parallel * request.pipeline_parallel
    if request.weights_gib is not None:
        gib = request.weights_gib / share + position_table_bytes(facts) / GIB
        return _offloaded(gib, 0.01 * gib, request)
    if form is None:
        return None
    experts_over = request.tensor_parallel * request.data_parallel if request.expert_parallel else 1
    found = tensors(facts, request.tensor_parallel, experts_over)
    if found is None:
        return _from_count(facts, form, request, text_only)
    kept = [tensor for tensor in found if not (text_only and tensor.part is Part.VISION)]
    total = (
        _drafter_bytes(kept, request)
        - _offloaded_bytes(kept, form, request)
        + sum(_tensor_bytes(tensor, form, request) for tensor in kept)
        + position_table_bytes(facts)
    )
    missing = 1.0
    if facts.parameters_billion and (counted := count_parameters(facts)):
        missing = facts.parameters_billion * 1e9 / counted
    if abs(missing - 1) > _DISAGREEMENT:
        return _from_count(facts, form, request, text_only)
    total *= missing
    error = min(form.error, _KNOWN_RECIPE_ERROR) if request.recipe else form.error
    doubtful = 0.0
    if any(name.startswith("vision") for name in facts.unverified) and not text_only:
        doubtful = 0.25 * facts.vision_parameters_billion * 1e9 * 2 / share / GIB
    return Weights(gib=max(0.0, total / GIB), error_gib=error * total / GIB + doubtful)


def _drafter_bytes(found: list[Tensor], request: MemoryRequest) -> float:
    """One more decoder layer, in 16 bits, where the model drafts for itself."""
    layers = request.model.layers
    if not request.own_drafter or not layers:
        return 0.0
    beside = (Part.EMBEDDING, Part.VISION)
    return sum(tensor.count * tensor.numbers * 2 for tensor in found if tensor.part not in beside) / layers


def _offloaded_bytes(found: list[Tensor], form: Format, request: MemoryRequest) -> float:
    """Bytes that stay in host memory: whole tensors, layer by layer, until the asked size is reached."""
    wanted, layers = request.cpu_offload_gib * GIB, max((tensor.count for tensor in found), default=0)
    moved = 0.0
    for layer in range(layers):
        for tensor in found:
            if moved >= wanted:
                return moved
            if tensor.part is not Part.EMBEDDING and layer < tensor.count:
                moved += allocated_bytes(tensor.numbers * form.part_bytes(tensor.part, request.recipe))
    return moved


def _tensor_bytes(tensor: Tensor, form: Format, request: MemoryRequest) -> float:
    """Bytes of one entry on the fullest pipeline stage. Kernels for MXFP4 experts pad both their sides."""
    numbers = float(tensor.numbers)
    if tensor.part is Part.EXPERTS and form.name == "mxfp4":
        numbers *= _mxfp4_padding(request)
    count = tensor.count
    if request.pipeline_parallel > 1:
        count = 1 if tensor.part is Part.EMBEDDING else math.ceil(count / request.pipeline_parallel)
    return count * allocated_bytes(numbers * form.part_bytes(tensor.part, request.recipe))


def _mxfp4_padding(request: MemoryRequest) -> float:
    """Growth of expert matrices by padding (vLLM 0.22.1 layers/fused_moe/oracle/mxfp4.py).

    Marlin, before Hopper: width to 128 per GPU, hidden size to 256. Hopper: width to 64, hidden size to 256.
    Blackwell data-centre chips: both to 256.
    """
    facts, cap = request.model, request.gpu.compute_capability or (9, 0)
    if not facts.experts or not facts.hidden:
        return 1.0
    width = facts.experts.intermediate / (1 if request.expert_parallel else request.tensor_parallel)
    align = 64 if cap == (9, 0) else 256 if cap[0] == 10 else 128
    padded = math.ceil(width / align) * align / width
    return padded * math.ceil(facts.hidden / 256) * 256 / facts.hidden


def _from_count(facts: ModelFacts, form: Format, request: MemoryRequest, text_only: bool) -> Weights | None:
    """From the number of parameters alone: what stays in 16 bits is then a guess, and the error larger."""
    if not facts.parameters_billion:
        return None
    vision = (facts.vision_parameters_billion or USUAL_VISION_BILLION) * 1e9 if facts.multimodal else 0.0
    numbers = max(0.0, facts.parameters_billion * 1e9 - (vision if text_only else 0.0))
    kept = (facts.embedding_parameters or 0.05 * numbers) + (0.0 if text_only else vision)
    if form.quantised == frozenset({"experts"}) or "embedding" in form.quantised:
        kept = 0.1 * numbers if form.quantised == frozenset({"experts"}) else 0.0
    size = min(kept, numbers) * 2 + max(0.0, numbers - kept) * form.bytes
    gib = size / request.tensor_parallel / request.pipeline_parallel / GIB
    return _offloaded(gib, (form.error + 0.02) * gib, request)


def _offloaded(gib: float, error: float, request: MemoryRequest) -> Weights:
    return Weights(gib=max(0.0, gib - request.cpu_offload_gib), error_gib=error)
