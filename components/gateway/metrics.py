"""Prometheus names of the gateway's metrics, as it spells them. Pure.

Names and the label `model_id` were read in LiteLLM 1.108.5 (types/integrations/prometheus.py, 2026-11-25) and
seen in a run for success, failure, cooldown, latency and spend (gateway study §3). `model_id` is the id of a
backend: for versions of our own the name of their workload.
"""

from components.spec import Spec

BACKEND_LABEL = "model_id"
NOT_THE_BACKENDS_FAULT = "RouterRateLimitError|.*ContextWindowExceededError|HTTPException|BudgetExceededError"
"""Classes of exceptions that are booked on a backend though it did nothing wrong (gateway study §3)."""


class GatewayMetrics(Spec):
    """What alerts and dashboards follow. Counters end in `_total`, histograms are without `_bucket`."""

    success: str
    failure: str
    cooled_down: str
    ttft_histogram: str
    """Seconds to the first token, streams only."""
    tpot_histogram: str
    """Seconds per output token."""
    latency_histogram: str
    """Seconds of a whole answer."""
    input_tokens: str
    output_tokens: str
    spend: str
    """USD by LiteLLM's list prices; 0 for models it has no price of, such as our own."""


LITELLM = GatewayMetrics(
    success="litellm_deployment_success_responses_total",
    failure="litellm_deployment_failure_responses_total",
    cooled_down="litellm_deployment_cooled_down_total",
    ttft_histogram="litellm_llm_api_time_to_first_token_metric",
    tpot_histogram="litellm_deployment_latency_per_output_token",
    latency_histogram="litellm_llm_api_latency_metric",
    input_tokens="litellm_input_tokens_metric_total",
    output_tokens="litellm_output_tokens_metric_total",
    spend="litellm_spend_metric_total",
)
