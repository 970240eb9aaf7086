"""Throughput and latency of one replica, by roofline: what must be moved and computed, at the chip's rates.

Decoding one token for all running requests reads the weights once and every request's KV cache; a prompt
computes two operations per active parameter and token, plus attention. The slow bound does one after the
other at the worst efficiency seen, the fast bound both at once at the best. Queueing, the network between
GPUs and speculative decoding are not modelled.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from planner.catalogue import InstanceType
from planner.chip_speed import ChipSpeed, chip_speed, compute_efficiency, memory_efficiency
from planner.estimate import Estimate, exactly


class Measured(BaseModel):
    """What a load test of this version showed; it takes the place of the estimate."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    output_tokens_per_second: float = Field(gt=0)
    """Of one replica, at the concurrency it is planned for."""
    ttft_seconds: float | None = Field(default=None, gt=0)
    """Seconds to the first token; None = estimated."""
    tpot_seconds: float | None = Field(default=None, gt=0)
    """Seconds per output token; None = follows from the tokens per second."""
    source: str
    """Command or report, and date."""


class ThroughputRequest(BaseModel):
    """A replica, what it runs and the requests it gets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node: InstanceType
    gpus: int = Field(ge=1)
    """GPUs of one replica, all on one node."""
    weights_bytes: int = Field(gt=0)
    """Of the whole model, as they lie in GPU memory."""
    active_parameters: int = Field(gt=0)
    """Parameters that one token uses: all of a dense model, the routed ones of a mixture of experts."""
    active_share: float = Field(default=1.0, gt=0, le=1)
    """Active over all parameters."""
    kv_bytes_per_token: int = Field(ge=0)
    """Of the whole model, not of one GPU."""
    layers: int = 0
    hidden: int = 0
    """With `layers`, for the arithmetic of attention; 0 = left out."""
    eight_bit_arithmetic: bool = False
    """Weights and activations in fp8, on a chip that computes in it."""
    input_tokens: int = Field(ge=1)
    output_tokens: int = Field(ge=1)
    """Of the mean request."""
    concurrency: int = Field(ge=1)
    """Requests worked on at once, as many as the KV cache and the engine's limit allow."""
    measured: Measured | None = None

    @model_validator(mode="after")
    def _fits_on_node(self) -> Self:
        if self.gpus > self.node.gpus:
            raise ValueError(f"{self.gpus} GPUs on a {self.node.name}, which has {self.node.gpus}")
        return self


class Throughput(BaseModel):
    """What one replica is expected to do at the requested concurrency."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["estimate", "measured"]
    output_tokens_per_second: Estimate
    requests_per_second: Estimate
    tpot_seconds: Estimate
    """Seconds per output token as one of the concurrent users sees it."""
    ttft_seconds: Estimate
    """Seconds to the first token when nobody waits: queueing comes on top."""
    prompt_share: float
    """Share of the machine's time that prompts take, 0-1, at the likely efficiencies."""
    basis: str
    """What it rests on, in words."""


def throughput(request: ThroughputRequest) -> Throughput:
    """Estimate one replica; a measured value replaces what it measures.

    Raises LookupError for a node without a known GPU.
    """
    speed = chip_speed(request.node)
    memory = _memory_rate(request, speed)
    compute = _compute_rate(request, speed)
    read = _bytes_per_token(request)
    decode = 2.0 * request.active_parameters
    prompt = _prompt_operations(request) / request.output_tokens
    seconds = _overlapped(memory.inverse(read), compute.inverse(decode + prompt))
    measured = request.measured
    tokens = exactly(measured.output_tokens_per_second) if measured else seconds.inverse(1)
    tpot, ttft = tokens.inverse(request.concurrency), _first_token(request, memory, compute)
    if measured and measured.tpot_seconds is not None:
        tpot = exactly(measured.tpot_seconds)
    if measured and measured.ttft_seconds is not None:
        ttft = exactly(measured.ttft_seconds)
    prompt_seconds = prompt / compute.likely
    return Throughput(
        kind="measured" if measured else "estimate",
        output_tokens_per_second=tokens,
        requests_per_second=tokens.scaled(1 / request.output_tokens),
        tpot_seconds=tpot,
        ttft_seconds=ttft,
        prompt_share=prompt_seconds / (read / memory.likely + decode / compute.likely + prompt_seconds),
        basis=measured.source if measured else _basis(request, speed),
    )


def concurrency_of(
    *, input_tokens: int, output_tokens: int, max_num_seqs: int, kv_cache_tokens: int | None = None
) -> int:
    """Requests one replica works on at once: the engine's limit, or what the KV cache holds; at least one.

    `kv_cache_tokens` is the whole cache of the replica; None = not known, and then the engine's limit alone.
    """
    if kv_cache_tokens is None:
        return max_num_seqs
    return max(1, min(max_num_seqs, kv_cache_tokens // (input_tokens + output_tokens)))


def bytes_read_per_step(request: ThroughputRequest) -> float:
    """Bytes that one decoding step of all concurrent requests reads.

    Of a mixture of experts only what some request is routed to: the share that `concurrency` requests touch,
    as if every one picked its experts by chance. A running request has, on average, half its answer.
    """
    touched = 1 - (1 - request.active_share) ** request.concurrency
    context = request.input_tokens + request.output_tokens / 2
    return request.weights_bytes * touched + request.concurrency * context * request.kv_bytes_per_token


def _bytes_per_token(request: ThroughputRequest) -> float:
    return bytes_read_per_step(request) / request.concurrency


def _prompt_operations(request: ThroughputRequest) -> float:
    """Operations of one prompt: the parameters', and those of causal attention, half of the full square."""
    attention = 2.0 * request.layers * request.hidden * request.input_tokens**2
    return 2.0 * request.active_parameters * request.input_tokens + attention


def _memory_rate(request: ThroughputRequest, speed: ChipSpeed) -> Estimate:
    """Bytes a second of all GPUs of the replica."""
    return memory_efficiency().scaled(speed.memory_gb_per_second * 1e9 * request.gpus)


def _compute_rate(request: ThroughputRequest, speed: ChipSpeed) -> Estimate:
    """Operations a second of all GPUs of the replica."""
    tflops = speed.tflops_16_bit
    if request.eight_bit_arithmetic and speed.tflops_8_bit is not None:
        tflops = speed.tflops_8_bit
    return compute_efficiency().scaled(tflops * 1e12 * request.gpus)


def _overlapped(memory: Estimate, compute: Estimate) -> Estimate:
    """Seconds of both: one after the other, but for the fast bound, where the longer one hides the other."""
    return (memory + compute).model_copy(update={"low": max(memory.low, compute.low)})


def _first_token(request: ThroughputRequest, memory: Estimate, compute: Estimate) -> Estimate:
    """A prompt alone: its arithmetic, and the weights read once."""
    alone = request.weights_bytes * request.active_share
    return _overlapped(memory.inverse(alone), compute.inverse(_prompt_operations(request)))


def _basis(request: ThroughputRequest, speed: ChipSpeed) -> str:
    link = "" if request.gpus == 1 or speed.nvlink else "; GPUs without NVLink, whose traffic is not modelled"
    return (
        f"roofline of {request.gpus} x {speed.chip} ({speed.memory_gb_per_second:g} GB/s each), "
        f"{request.input_tokens} tokens in, {request.output_tokens} out, {request.concurrency} at once{link}"
    )
