"""Talks to the API server: discovery, server-side apply, dry runs, reading, deleting.

The official package reads the kubeconfig and makes the connections. Its dynamic client is not used: it cannot
ask for strict validation, and it keeps a discovery cache in the system's temporary folder.
"""

import json
import threading
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError, SSLError

from local.providers.kubernetes.settings import Kubeconfig
from local.providers.protocol import Json, PluginError

STRICT = {"fieldManager": "pulumi-llmserve", "fieldValidation": "Strict"}
TIMEOUT = urllib3.Timeout(connect=5, read=30)
# Tries in all, to connect, after sending (an idle connection may be gone; any request here may be repeated).
# With 429 and 503 the server wishes to be asked again later.
RETRIES = urllib3.Retry(4, 3, 1, status_forcelist=(429, 503), allowed_methods=None, backoff_factor=0.3)
RETRIES.raise_on_status = False

Tell = Callable[[str], None]


class ApiError(PluginError):
    """A refusal (HTTP status `code`, `about` a sort of object) or silence (`is_open`: it may yet be done)."""

    def __init__(self, message: str, code: int = 0, about: str = "", is_open: bool = False) -> None:
        super().__init__(message)
        self.code, self.about, self.is_open = code, about, is_open


class Place(NamedTuple):
    """Where an object lives: its collection ("" if its kind is not served), its path, Pulumi's id of it."""

    collection: str
    path: str
    object_id: str


def warning_text(header: str) -> str:
    """Return the text of a Warning header, `299 - "text"`, in which quotes are escaped. Pure."""
    return str(json.JSONDecoder().raw_decode(header, header.index('"'))[0])


class Cluster:
    """One API server, seen through one context of a kubeconfig."""

    def __init__(self, kubeconfig: Kubeconfig) -> None:
        self._configuration = kubeconfig.connection()
        self._configuration.retries = RETRIES
        self._configuration.connection_pool_maxsize = 64
        # as Go's clients do, kubectl among them: loopback is never behind a proxy
        self._configuration.no_proxy = f"{self._configuration.no_proxy or ''},127.0.0.1,localhost,::1"
        self._name = f'{self._configuration.host} (context "{kubeconfig.context}")'
        self._pool = ApiClient(self._configuration).rest_client.pool_manager
        self._kinds: dict[str, dict[str, Json]] = {}
        self._discovery = threading.Lock()

    def _ask(self, method: str, path: str, query: Json, body: Json | None = None, warn: Any = None) -> Json:
        sort = "apply-patch+yaml" if method == "PATCH" else "json"
        headers = {"Accept": "application/json", "Content-Type": f"application/{sort}"}
        if token := self._configuration.get_api_key_with_prefix("BearerToken"):
            headers["Authorization"] = token
        url = f"{self._configuration.host}{path}?{urlencode(query)}"
        content = json.dumps(body) if body else None
        try:
            response = self._pool.request(method, url, body=content, headers=headers, timeout=TIMEOUT)
        except HTTPError as error:
            cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
            is_open = not isinstance(cause, NewConnectionError | ConnectTimeoutError | SSLError)
            why = str(cause).rsplit("connection: ", 1)[-1]
            raise ApiError(
                f"cannot reach the Kubernetes API server {self._name}: {why}", is_open=is_open
            ) from None
        if warn:
            for warning in response.headers.getlist("Warning"):
                warn(warning_text(warning))
        answer = json.loads(response.data) if response.data[:1] == b"{" else {}
        if response.status >= 400:
            text = answer.get("message") or f"the API server answered with HTTP status {response.status}"
            raise ApiError(text, response.status, (answer.get("details") or {}).get("kind", ""))
        return dict(answer)

    def get(self, path: str) -> Json | None:
        """Read an object; None when there is none, or no place for it."""
        try:
            return self._ask("GET", path, {}) if path else None
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def place(self, api_version: str, kind: str, namespace: str, name: str) -> Place:
        """Find where an object lives; `namespace` counts if its kind lives in one."""
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        with self._discovery:
            if kind not in self._kinds.get(api_version, {}):
                served = (self.get(root) or {}).get("resources", [])
                self._kinds[api_version] = {item["kind"]: item for item in served if "/" not in item["name"]}
            entry = self._kinds[api_version].get(kind)
        if not entry:
            return Place("", "", name)
        where = f"{root}/namespaces/{namespace}" if entry["namespaced"] else root
        object_id = f"{namespace}/{name}" if entry["namespaced"] else name
        return Place(f"{where}/{entry['name']}", f"{where}/{entry['name']}/{name}", object_id)

    def items(self, collection: str, **selector: str) -> list[Json]:
        """List objects of a collection by `labelSelector` or `fieldSelector`, at most 100."""
        return list(self._ask("GET", collection, {"limit": "100", **selector})["items"])

    def apply(self, place: Place, manifest: Json, *, force: bool, dry_run: bool, warn: Tell) -> Json:
        """Make an object be as its manifest says and own these fields, or only let the server check it."""
        query = STRICT | {"force": str(force).lower()} | ({"dryRun": "All"} if dry_run else {})
        return self._ask("PATCH", place.path, query, manifest, warn)

    def try_create(self, place: Place, manifest: Json, warn: Tell) -> Json:
        """Let the server check a new object; nothing is made."""
        return self._ask("POST", place.collection, STRICT | {"dryRun": "All"}, manifest, warn)

    def delete(self, place: Place, propagation: str) -> None:
        """Ask for an object's deletion; one that is gone already is fine."""
        try:
            self._ask("DELETE", place.path, {"propagationPolicy": propagation})
        except ApiError as error:
            if error.code != 404:
                raise
