"""SGLang's metrics: names, labels and buckets of 0.5.23 (observability/metrics_collector.py)."""

from local.sim.batch import Batch, Request
from local.sim.metrics import Registry

FIRST_TOKEN = (0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400)
LATENCY = (*FIRST_TOKEN, 600, 1200, 1800, 2400)
TOKEN_GAP = (
    *(0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.06, 0.08),
    *(0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8),
)


class SglangMetrics:
    """A batch's listener. Series of requests appear with the first of their kind, as in SGLang."""

    def __init__(self, model: str) -> None:
        self._registry = registry = Registry()
        self._own = own = {"model_name": model, "engine_type": "unified"}
        ranks = {**own, "tp_rank": "0", "pp_rank": "0"}

        self._running = registry.gauge("sglang:num_running_reqs", "The number of running requests.").labels(
            **ranks
        )
        waiting = registry.gauge("sglang:num_queue_reqs", "The number of requests in the waiting queue.")
        self._waiting = waiting.labels(**ranks)
        self._usage = registry.gauge("sglang:token_usage", "The token usage.").labels(**ranks)
        self._prompt = registry.counter("sglang:prompt_tokens_total", "Number of prefill tokens processed.")
        self._generation = registry.counter(
            "sglang:generation_tokens_total", "Number of generation tokens processed."
        )
        self._requests = registry.counter("sglang:num_requests_total", "Number of requests processed.")
        aborted = registry.counter("sglang:num_aborted_requests_total", "Number of requests aborted.")
        self._aborted = aborted.labels(**own)
        self._ttft = registry.histogram(
            "sglang:time_to_first_token_seconds", "Time to first token.", FIRST_TOKEN
        )
        gap = registry.histogram("sglang:inter_token_latency_seconds", "Inter-token latency.", TOKEN_GAP)
        self._gap = gap.labels(**own)
        self._tpot = registry.histogram(
            "sglang:request_time_per_output_token_seconds", "Per-request TPOT.", TOKEN_GAP
        )
        self._e2e = registry.histogram(
            "sglang:e2e_request_latency_seconds", "End-to-end request latency.", LATENCY
        )
        self._http_in = registry.counter(
            "sglang:http_requests_total", "HTTP requests by endpoint and method."
        )
        self._http_out = registry.counter(
            "sglang:http_responses_total", "HTTP responses by endpoint and status code."
        )

    def first_token(self, request: Request) -> None:
        """See batch.Listener."""
        self._ttft.labels(**self._labels(request)).observe(request.first_token - request.arrived)

    def next_token(self, request: Request, gap_seconds: float) -> None:
        """See batch.Listener."""
        del request
        self._gap.observe(gap_seconds)

    def finished(self, request: Request) -> None:
        """See batch.Listener. Aborted requests are counted apart."""
        if request.finish_reason in ("abort", "error"):
            self._aborted.inc()
            return
        labels = self._labels(request)
        self._prompt.labels(**labels).inc(request.prompt_tokens)
        self._generation.labels(**labels).inc(request.generated)
        self._requests.labels(**labels).inc()
        self._e2e.labels(**labels).observe(request.finished - request.arrived)
        if request.generated > 1:
            seconds = (request.last_token - request.first_token) / (request.generated - 1)
            self._tpot.labels(**labels).observe(seconds)

    def http_request(self, method: str, path: str) -> None:
        """Count one HTTP request."""
        self._http_in.labels(endpoint=path, method=method).inc()

    def http_response(self, method: str, path: str, status: int) -> None:
        """Count one HTTP answer."""
        self._http_out.labels(endpoint=path, status_code=str(status), method=method).inc()

    def text(self, batch: Batch) -> str:
        """What a scrape gets."""
        self._running.set(batch.running)
        self._waiting.set(batch.waiting)
        self._usage.set(batch.kv_usage)
        return self._registry.text()

    def _labels(self, request: Request) -> dict[str, str]:
        return {**self._own, "is_streaming": "true" if request.streamed else "false"}
