"""When a stack that comes up answers first: asked beside `pulumi up`, which waits for more than a chat needs.

Pulumi waits until every pod of every Deployment is Ready, the second gateway's too. A client can be served as
soon as one gateway and the versions of its model are.
"""

import socket
import threading
from types import TracebackType

from components.naming import MODEL_LABEL
from local import ports, report
from local.errors import LocalError
from local.first_chat import Client, send
from local.kubectl import Kubectl

POLL_SECONDS = 0.5
GIVE_UP_SECONDS = 5
"""Given to a chat under way once everything is up, or has failed."""


class EarlyChat(threading.Thread):
    """Sends one chat as soon as it can be answered, while the body of its `with` runs.

    `first_token_at` is that of the answer; None if there was none, or if the gateway answered
    already before: then nothing comes up, and the chat would tell of the stack as it was.
    """

    def __init__(self, url: str, client: Client, kubectl: Kubectl, namespace: str) -> None:
        super().__init__(name="early-chat", daemon=True)
        self.first_token_at: float | None = None
        self._url, self._client, self._kubectl, self._namespace = url, client, kubectl, namespace
        self._stop_asking = threading.Event()

    def __enter__(self) -> "EarlyChat":
        if not _answers(self._url):
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_asking.set()
        if self.is_alive():
            self.join(GIVE_UP_SECONDS)

    def run(self) -> None:
        """Ask until answered or told to stop. What goes wrong here is told by the chat that follows `up`."""
        while not self._stop_asking.wait(POLL_SECONDS):
            try:
                if _answers(self._url) and self._model_serves():
                    self.first_token_at = send(self._url, self._client).first_token_at
                    return
            except LocalError:
                continue

    def _model_serves(self) -> bool:
        """Whether every pod there is of the model is Ready: a version that fails would be cooled down."""
        pods = self._kubectl.list("pods", "-n", self._namespace, "-l", f"{MODEL_LABEL}={self._client.model}")
        return bool(pods) and all(map(report.is_ready, pods))


def _answers(url: str) -> bool:
    """Whether something takes connections: the gateway's port on this machine refuses them until then."""
    port = int(url.rpartition(":")[2])
    try:
        socket.create_connection((ports.LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
