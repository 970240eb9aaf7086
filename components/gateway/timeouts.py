"""How long each hop in front of an answer waits, derived from the longest stream.

A hop that gives up before the one behind it cuts answers, so with L = the longest stream, in seconds:

    silence before an answer  <=  L  =  load balancer's idle timeout  <  gateway's keep-alive
    a whole answer            <=  L  =  load balancer's deregistration delay
    preStop + a whole answer  <   pod's termination grace period (`GatewaySpec.grace_seconds`)
"""

KEEPALIVE_MARGIN_SECONDS = 10
"""By how much the gateway keeps an idle connection longer than the load balancer; else it closes one that
is just being used again (gateway study, 2026-11-20: 5 resets in 732 requests with the default)."""


def idle_timeout_seconds(longest_stream_seconds: int) -> int:
    """Seconds without a byte after which the load balancer gives up."""
    return longest_stream_seconds


def deregistration_seconds(longest_stream_seconds: int) -> int:
    """Seconds the load balancer lets answers of a leaving pod go on."""
    return longest_stream_seconds


def keepalive_seconds(longest_stream_seconds: int) -> int:
    """Seconds the gateway keeps an idle connection open."""
    return idle_timeout_seconds(longest_stream_seconds) + KEEPALIVE_MARGIN_SECONDS
