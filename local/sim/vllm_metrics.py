"""vLLM's metrics: names, labels and buckets of 0.33.0 (v1/metrics/loggers.py and buckets.py)."""

from local.sim.batch import Batch, Request
from local.sim.metrics import Registry, Series

LATENCY = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680)
FIRST_TOKEN = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560),
)
TOKEN_GAP = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75),
    *(1, 2.5, 5, 7.5, 10, 20, 40, 80),
)
HTTP_DURATION = (0.1, 0.5, 1)
FINISH_REASONS = ("stop", "length", "abort", "error", "repetition")
REJECTIONS = ("max_num_queued_reqs", "max_num_queued_tokens")


def token_counts(longest: int) -> list[float]:
    """1, 2, 5, 10, 20, 50 and so on, up to `longest`."""
    steps = (step * 10**power for power in range(len(str(longest))) for step in (1, 2, 5))
    return [step for step in steps if step <= longest]


class VllmMetrics:
    """A batch's listener; every series is there from the start, as in vLLM."""

    def __init__(self, model: str, longest: int) -> None:
        self._registry = registry = Registry()
        own = {"model_name": model, "engine": "0"}

        def gauge(name: str, text: str) -> Series:
            return registry.gauge(f"vllm:{name}", text).labels(**own)

        def counter(name: str, text: str) -> Series:
            return registry.counter(f"vllm:{name}_total", text).labels(**own)

        def histogram(name: str, text: str, buckets: tuple[float, ...] | list[float]) -> Series:
            return registry.histogram(f"vllm:{name}", text, buckets).labels(**own)

        self._running = gauge("num_requests_running", "Number of requests in model execution batches.")
        self._waiting = gauge("num_requests_waiting", "Number of requests waiting to be processed.")
        reasons = registry.gauge(
            "vllm:num_requests_waiting_by_reason", "Number of waiting requests by reason."
        )
        self._capacity = reasons.labels(**own, reason="capacity")
        reasons.labels(**own, reason="deferred")
        self._kv_usage = gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.")
        counter("num_preemptions", "Cumulative number of preemption from the engine.")
        self._prompt = counter("prompt_tokens", "Number of prefill tokens processed.")
        self._generation = counter("generation_tokens", "Number of generation tokens processed.")
        success = registry.counter("vllm:request_success_total", "Count of successfully processed requests.")
        self._success = {reason: success.labels(**own, finished_reason=reason) for reason in FINISH_REASONS}
        rejections = registry.counter(
            "vllm:admission_rejections_total", "Admission attempts rejected, by reason."
        )
        self._rejections = {
            reason: rejections.labels(model_name=model, reason=reason) for reason in REJECTIONS
        }
        counts = token_counts(longest)
        self._prompts = histogram("request_prompt_tokens", "Number of prefill tokens processed.", counts)
        self._answers = histogram(
            "request_generation_tokens", "Number of generation tokens processed.", counts
        )
        self._ttft = histogram("time_to_first_token_seconds", "Time to first token in seconds.", FIRST_TOKEN)
        self._gap = histogram("inter_token_latency_seconds", "Inter-token latency in seconds.", TOKEN_GAP)
        self._tpot = histogram("request_time_per_output_token_seconds", "TPOT per request.", TOKEN_GAP)
        self._e2e = histogram("e2e_request_latency_seconds", "End to end latency in seconds.", LATENCY)
        self._queue = histogram("request_queue_time_seconds", "Time in WAITING phase.", LATENCY)
        self._inference = histogram("request_inference_time_seconds", "Time in RUNNING phase.", LATENCY)
        self._prefill = histogram("request_prefill_time_seconds", "Time in PREFILL phase.", LATENCY)
        self._decode = histogram("request_decode_time_seconds", "Time in DECODE phase.", LATENCY)
        self._http = registry.counter("http_requests_total", "Total number of requests.")
        self._http_seconds = registry.histogram("http_request_duration_seconds", "Latency.", HTTP_DURATION)

    def first_token(self, request: Request) -> None:
        """See batch.Listener."""
        self._ttft.observe(request.first_token - request.arrived)
        self._prompt.inc(request.prompt_tokens)
        self._generation.inc()

    def next_token(self, request: Request, gap_seconds: float) -> None:
        """See batch.Listener."""
        del request
        self._gap.observe(gap_seconds)
        self._generation.inc()

    def finished(self, request: Request) -> None:
        """See batch.Listener. Calling a tool ends as `stop` in vLLM's engine."""
        reason = "stop" if request.finish_reason == "tool_calls" else request.finish_reason
        self._success[reason].inc()
        self._e2e.observe(request.finished - request.arrived)
        if not request.first_token:
            return
        self._prompts.observe(request.prompt_tokens)
        self._answers.observe(request.generated)
        self._queue.observe(request.started - request.arrived)
        self._inference.observe(request.last_token - request.started)
        self._prefill.observe(request.first_token - request.started)
        self._decode.observe(request.last_token - request.first_token)
        if request.generated > 1:
            self._tpot.observe((request.last_token - request.first_token) / (request.generated - 1))

    def rejected(self, reason: str) -> None:
        """A request did not come in."""
        self._rejections[reason].inc()

    def http(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one HTTP answer; statuses are grouped as 2xx, 4xx and so on."""
        self._http.labels(handler=path, method=method, status=f"{status // 100}xx").inc()
        self._http_seconds.labels(handler=path, method=method).observe(seconds)

    def text(self, batch: Batch) -> str:
        """What a scrape gets."""
        self._running.set(batch.running)
        self._waiting.set(batch.waiting)
        self._capacity.set(batch.waiting)
        self._kv_usage.set(batch.kv_usage)
        return self._registry.text()
