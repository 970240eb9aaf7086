"""Whether requests in flight may end before their pod, gateway or load balancer is gone. Pure.

Every rule is an inequality; its finding gives both numbers and the setting to change.
"""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from planner.finding import Finding, error, warning
from planner.quota import Capacity
from planner.time_limits import limit_seconds


class PodDrain(BaseModel):
    """How one kind of pod leaves, as it is rendered, in seconds: a version's, or the gateway's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """Dotted path of its settings."""
    drain_setting: str = "drain_seconds"
    """Name of the setting below `path` that lengthens the drain."""
    prestop_seconds: int
    """Sleep before SIGTERM, during which nothing new arrives and everything goes on."""
    drain_seconds: int
    """How long requests may go on after SIGTERM; 0 where the program stops at once."""
    margin_seconds: int
    """Left for the program to exit."""
    grace_seconds: int
    """terminationGracePeriodSeconds."""
    longest_stream_seconds: int
    """Longest answer that may be in flight."""
    behind_load_balancer: bool = False
    """Whether something outside the cluster has to take it out of rotation."""
    managed_nodes: bool = False
    """Nodes of an EKS managed node group, whose updates force nothing and wait no longer than 15 minutes."""
    capacity: Capacity = "on-demand"


class LoadBalancer(BaseModel):
    """The load balancer in front of the gateway, in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    idle_timeout_seconds: int
    """Silence after which it closes a connection."""
    deregistration_seconds: int
    """How long answers of a pod that left may go on."""


class GatewayTimes(BaseModel):
    """Waiting times of the gateway, in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    longest_stream_seconds: int
    request_timeout_seconds: int
    """Of one try of an answer that is not streamed: silence for as long."""
    tries: int
    """Places such a request may be tried at, one after the other."""
    shutdown_seconds: int
    """After SIGTERM, until it cuts what is open."""
    keepalive_seconds: int
    """How long it keeps an idle connection."""
    load_balancer: LoadBalancer | None = None

    @property
    def longest_silence_seconds(self) -> int:
        """Longest time without a byte: an answer that is not streamed, at every place it is tried."""
        return min(self.longest_stream_seconds, self.tries * self.request_timeout_seconds)


def drain_findings(drain: PodDrain) -> list[Finding]:
    """Return every rule that a pod's way out breaks."""
    rules = (_grace, _margin, _stream, _prestop, _node)
    return [finding for rule in rules for finding in rule(drain)]


def gateway_findings(times: GatewayTimes) -> list[Finding]:
    """Return every rule that the gateway's times, and those of the load balancer before it, break."""
    rules = (_shutdown, _deregistration, _idle, _keepalive)
    return [finding for rule in rules for finding in rule(times)]


def _grace(drain: PodDrain) -> Iterator[Finding]:
    needed = drain.prestop_seconds + drain.drain_seconds + drain.margin_seconds
    if needed > drain.grace_seconds:
        yield error(
            f"{drain.path}.{drain.drain_setting}",
            f"preStop {drain.prestop_seconds} + drain {drain.drain_seconds} + margin {drain.margin_seconds} "
            f"= {needed} s, but the pod is killed after {drain.grace_seconds} s",
            f"make terminationGracePeriodSeconds {needed} or more, or drain for less",
            id="drain-exceeds-grace",
        )


def _margin(drain: PodDrain) -> Iterator[Finding]:
    least = limit_seconds("least_margin_seconds")
    if drain.margin_seconds < least:
        yield warning(
            f"{drain.path}.{drain.drain_setting}",
            f"leaves {drain.margin_seconds} s to exit after the drain, less than {least}",
            f"leave {least} s or more between the end of the drain and the end of the grace period",
            id="drain-without-margin",
        )


def _stream(drain: PodDrain) -> Iterator[Finding]:
    """What drains nothing after SIGTERM must have ended before it: its preStop is its drain."""
    leave = limit_seconds("least_prestop_seconds")
    drains = drain.drain_seconds or max(0, drain.prestop_seconds - leave)
    if drains < drain.longest_stream_seconds:
        yield error(
            f"{drain.path}.{drain.drain_setting}",
            f"gives answers in flight {drains} s, but one may last {drain.longest_stream_seconds} s",
            f"make it {drain.longest_stream_seconds} or more, or "
            f"gateway.longest_stream_seconds {drains} or less",
            id="drain-shorter-than-stream",
        )


def _prestop(drain: PodDrain) -> Iterator[Finding]:
    behind = drain.behind_load_balancer
    least = limit_seconds("least_prestop_behind_load_balancer_seconds" if behind else "least_prestop_seconds")
    if drain.prestop_seconds < least:
        who = "a load balancer" if behind else "its Service"
        yield warning(
            f"{drain.path}.prestop_seconds",
            f"is {drain.prestop_seconds}: SIGTERM may come before {who} has let go of the pod, which takes "
            f"{least} s",
            f"make it {least} or more",
            id="prestop-too-short",
        )


def _node(drain: PodDrain) -> Iterator[Finding]:
    setting, grace = f"{drain.path}.{drain.drain_setting}", drain.grace_seconds
    update, notice = limit_seconds("node_drain_seconds"), limit_seconds("spot_notice_seconds")
    if drain.managed_nodes and grace > update:
        yield warning(
            setting,
            f"a pod may take {grace} s to leave, but a node group's update fails, and its scale-in kills, "
            f"after {update} s",
            f"keep preStop, drain and margin together at {update} or less",
            id="grace-exceeds-node-drain",
        )
    if drain.capacity == "spot" and grace > notice:
        yield warning(
            setting,
            f"a pod may take {grace} s to leave, but a spot node is gone {notice} s after its notice",
            f"keep preStop, drain and margin together at {notice} or less, or use on-demand nodes",
            id="grace-exceeds-spot-notice",
        )


def _shutdown(times: GatewayTimes) -> Iterator[Finding]:
    longest = times.longest_stream_seconds
    if times.shutdown_seconds < longest:
        yield error(
            "gateway.longest_stream_seconds",
            f"is {longest}, but the gateway cuts open streams {times.shutdown_seconds} s after SIGTERM",
            f"give the gateway {longest} s or more to shut down",
            id="gateway-shutdown-before-stream-ends",
        )


def _deregistration(times: GatewayTimes) -> Iterator[Finding]:
    balancer, longest = times.load_balancer, times.longest_stream_seconds
    if balancer and balancer.deregistration_seconds < longest:
        yield error(
            "gateway.longest_stream_seconds",
            f"is {longest}, but the load balancer drops answers of a pod that left after "
            f"{balancer.deregistration_seconds} s",
            f"make the deregistration delay {longest} or more",
            id="deregistration-before-stream-ends",
        )


def _idle(times: GatewayTimes) -> Iterator[Finding]:
    balancer, silence = times.load_balancer, times.longest_silence_seconds
    if balancer and balancer.idle_timeout_seconds < silence:
        yield error(
            "gateway.request_timeout_seconds",
            f"an answer that is not streamed may be silent for {silence} s ({times.tries} x "
            f"{times.request_timeout_seconds} s), but the load balancer hangs up after "
            f"{balancer.idle_timeout_seconds} s",
            f"make its idle timeout {silence} or more, or request_timeout_seconds less",
            id="idle-timeout-before-answer",
        )


def _keepalive(times: GatewayTimes) -> Iterator[Finding]:
    balancer, keeps = times.load_balancer, times.keepalive_seconds
    if balancer and keeps <= balancer.idle_timeout_seconds:
        yield error(
            "gateway.longest_stream_seconds",
            f"the gateway keeps an idle connection {keeps} s and the load balancer "
            f"{balancer.idle_timeout_seconds} s, so it may close one that is just being used",
            f"keep connections longer than {balancer.idle_timeout_seconds} s",
            id="keepalive-not-above-idle",
        )
