"""One model on every EC2 GPU type: does it fit, what does it cost, how quick is it. Pure."""

from pydantic import BaseModel, ConfigDict

from planner.estimate import Estimate
from planner.launch_figures import speed_of, start_of
from planner.memory import MemoryEstimate, MemoryRequest, placements
from planner.memory.changes import instance_gpu
from planner.memory.launch import on_instance


class Option(BaseModel):
    """One replica on one EC2 type. None = not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instance_type: str
    gpus: int
    gpus_per_node: int
    usd_per_hour: float | None
    """The replica's share of the node."""
    memory: MemoryEstimate
    new_node_seconds: Estimate | None
    """From nothing to ready, weights from the hub."""
    output_tokens_per_second: Estimate | None
    usd_per_million_output: Estimate | None
    """With the replica fully used."""


def model_options(request: MemoryRequest, *, input_tokens: int, output_tokens: int) -> list[Option]:
    """Return every GPU type with the fewest of its GPUs that hold the model; what fits first, cheapest first.

    What does not fit is in the list too, last, without times. Tokens are those of the mean request.
    """
    found = []
    for place in placements(request):
        gpu = instance_gpu(place.instance)
        start, speed, usd = None, None, place.usd_per_hour
        if gpu is not None and place.estimate.verdict != "does_not_fit":
            asked = on_instance(request, place.instance, gpu).model_copy(
                update={"tensor_parallel": place.tensor_parallel}
            )
            start = start_of(asked, place.instance, source="hub")
            speed = speed_of(
                asked, place.estimate, place.instance, input_tokens=input_tokens, output_tokens=output_tokens
            )
        rate = speed.output_tokens_per_second if speed else None
        found.append(
            Option(
                instance_type=place.instance.name,
                gpus=place.tensor_parallel * request.pipeline_parallel,
                gpus_per_node=place.instance.gpus,
                usd_per_hour=usd,
                memory=place.estimate,
                new_node_seconds=start.new_node_seconds if start else None,
                output_tokens_per_second=rate,
                usd_per_million_output=rate.scaled(3600 / 1e6).inverse(usd) if rate and usd else None,
            )
        )
    return found
