"""TGI's metrics: names and buckets of 3.3 (router/src/server.rs). No model label, no time to first token."""

from local.sim.batch import Batch, Request
from local.sim.metrics import Registry, Series

DURATION = tuple(0.0001 * 1.5**step for step in range(35))
"""Seconds; all metrics that end in `duration`."""


def hundredths(longest: int) -> list[float]:
    """Hundred equal steps up to `longest` tokens."""
    return [longest / 100 * step for step in range(1, 101)]


class TgiMetrics:
    """A batch's listener."""

    def __init__(self, max_input: int, max_total: int) -> None:
        self._registry = registry = Registry()
        self._queue_size = registry.gauge("tgi_queue_size", "Current queue size").labels()
        self._batch_size = registry.gauge("tgi_batch_current_size", "Current batch size").labels()
        self._count = registry.counter("tgi_request_count", "Total number of requests").labels()
        self._success = registry.counter("tgi_request_success", "Number of successful requests").labels()
        self._failure = registry.counter("tgi_request_failure", "Number of failed requests")

        def seconds(name: str, text: str) -> Series:
            return registry.histogram(f"tgi_request_{name}", text, DURATION).labels()

        self._duration = seconds("duration", "Request duration")
        self._queue = seconds("queue_duration", "Request queue duration")
        self._inference = seconds("inference_duration", "Request inference duration")
        self._per_token = seconds("mean_time_per_token_duration", "Mean time per token per request")
        self._input = registry.histogram(
            "tgi_request_input_length", "Input token length per request", hundredths(max_input)
        ).labels()
        self._generated = registry.histogram(
            "tgi_request_generated_tokens", "Generated tokens per request", hundredths(max_total)
        ).labels()

    def first_token(self, request: Request) -> None:
        """See batch.Listener."""
        self._count.inc()
        self._input.observe(request.prompt_tokens)

    def next_token(self, request: Request, gap_seconds: float) -> None:
        """See batch.Listener. TGI measures requests only."""

    def finished(self, request: Request) -> None:
        """See batch.Listener. Only complete answers are measured."""
        if request.finish_reason in ("abort", "error"):
            return
        inference = request.finished - request.started
        self._success.inc()
        self._duration.observe(request.finished - request.arrived)
        self._queue.observe(request.started - request.arrived)
        self._inference.observe(inference)
        self._per_token.observe(inference / max(1, request.generated))
        self._generated.observe(request.generated)

    def failed(self, reason: str) -> None:
        """A request did not come in."""
        self._failure.labels(err=reason).inc()

    def text(self, batch: Batch) -> str:
        """What a scrape gets."""
        self._queue_size.set(batch.waiting)
        self._batch_size.set(batch.running)
        return self._registry.text()
