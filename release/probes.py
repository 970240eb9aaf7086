"""Requests of our own where clients send too few for a verdict: bounded, and the same for both versions."""

from contextlib import suppress
from itertools import cycle, islice
from math import ceil

from infra.stackfile.releases import ProbeSettings
from release.errors import ReleaseError
from release.world import World


class Probes:
    """The probes of one step. They are counted like any other request, by the gateway and the engines."""

    def __init__(
        self, world: World, settings: ProbeSettings, versions: tuple[str, str], already: int = 0
    ) -> None:
        self._world, self._settings, self._versions = world, settings, versions
        self._prompts = cycle(settings.prompts)
        self.sent = already
        """To each version in this step."""
        self._clients = 0.0
        """Requests of clients to the new version so far."""

    def make_up(self, requests: float) -> None:
        """Ask both versions as often as clients asked the new one too little since the last time.

        `requests` are all that the new version got in this step. A probe that fails is a failed request of
        its version, and told by the gateway's own count.
        """
        clients = max(self._clients, requests - self.sent)
        lacking = ceil(self._settings.requests_per_look - (clients - self._clients))
        self._clients = clients
        for prompt in islice(self._prompts, max(0, min(lacking, self._settings.max_requests - self.sent))):
            for version in self._versions:
                with suppress(ReleaseError):
                    self._world.answer(version, prompt, self._settings.max_tokens)
            self.sent += 1
