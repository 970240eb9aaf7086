"""nginx.conf in front of engines on one machine. Pure."""

import json

from components.spec import Spec
from one_machine.machine import LOOPBACK, presets

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models")
"""All that is passed on: engines have routes that load models, read files or run without a key."""
_ERRORS = {
    403: ("this address may not ask for that", "permission_error", "forbidden"),
    413: ("the request is too large", "invalid_request_error", "request_too_large"),
    502: ("no engine answers", "server_error", "engine_unavailable"),
    504: ("the engine took too long", "server_error", "engine_timeout"),
}
_NOT_FOUND = ("no such path", "invalid_request_error", "not_found")


class NginxSpec(Spec):
    """What differs between the container and a test."""

    listen: str
    """Port, or address and port."""
    engines: tuple[str, ...]
    """`host:port` of each."""
    metrics_path: str | None
    """Where an engine has its metrics; None = nowhere."""
    longest_stream_seconds: int
    resolver: str | None
    """Name service that is asked for engines again and again; None where they are addresses."""
    folder: str = "/tmp"  # noqa: S108 - the container's own
    """Where the process number and large bodies go."""


def nginx_conf(spec: NginxSpec) -> str:
    """Render the whole file; it runs in the foreground and logs to its output."""
    numbers = presets()["nginx"]
    only = f"allow {LOOPBACK}; deny all;"
    server = [
        f"listen {spec.listen};",
        *_passing(spec, numbers["connect_seconds"]),
        *(f"location = {path} {{ proxy_pass http://engines{path}; }}" for path in PATHS),
        *(
            f"location = {path} {{ {only} proxy_pass http://{name}{spec.metrics_path}; }}"
            for name, _, path in _metrics(spec)
        ),
        'location = /health { access_log off; return 200 \'{"status": "ok"}\'; }  # of nginx itself',
        f"location / {{ return 404 '{_error(*_NOT_FOUND)}'; }}",
        *(f"error_page {status} @{status};" for status in _ERRORS),
        *(
            f"location @{status} {{ return {status} '{_error(*words)}'; }}"
            for status, words in _ERRORS.items()
        ),
    ]
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    http = [
        "default_type application/json;",
        "server_tokens off;",
        f"client_max_body_size {numbers['body_mib']}m;",
        f"client_body_buffer_size {numbers['body_buffer_kib']}k;",
        *(f"{name}_temp_path {spec.folder}/{name};" for name in temporary),
        *_log(),
        *_upstream("engines", spec.engines, spec.resolver),
        *(line for name, engine, _ in _metrics(spec) for line in _upstream(name, (engine,), spec.resolver)),
        *_block("server", server),
    ]
    lines = [
        "daemon off;",
        f"worker_processes {numbers['workers']};",
        f"pid {spec.folder}/nginx.pid;",
        "error_log stderr warn;",
        *_block("events", [f"worker_connections {numbers['connections']};"]),
        *_block("http", http),
    ]
    return "\n".join(lines) + "\n"


def _passing(spec: NginxSpec, connect_seconds: int) -> list[str]:
    """How requests reach an engine, and answers the client: token by token."""
    return [
        "proxy_http_version 1.1;",
        "# None is kept open: one that an engine just closed would fail a POST, which is not sent twice.",
        "proxy_set_header Connection close;",
        "proxy_set_header Host $host;",
        "proxy_set_header X-Request-ID $passed_id;",
        "proxy_hide_header X-Request-ID;",
        "add_header X-Request-ID $passed_id always;",
        "proxy_buffering off;",
        f"proxy_connect_timeout {connect_seconds}s;",
        f"proxy_read_timeout {spec.longest_stream_seconds}s;",
        f"proxy_send_timeout {spec.longest_stream_seconds}s;",
        f"send_timeout {spec.longest_stream_seconds}s;",
        "# Another engine is asked if this one took nothing: without non_idempotent no POST is sent twice.",
        "proxy_next_upstream error timeout;",
    ]


def _metrics(spec: NginxSpec) -> list[tuple[str, str, str]]:
    """Upstream, engine and path of each engine's own metrics; those of the least busy one mean nothing.

    Only loopback may ask. Docker's networks may not: where Docker passes ports on by a proxy (Desktop,
    rootless), everybody comes from there.
    """
    if spec.metrics_path is None:
        return []
    many = len(spec.engines) > 1
    return [
        (f"metrics_{number}", engine, f"/metrics/{number}" if many else "/metrics")
        for number, engine in enumerate(spec.engines)
    ]


def _upstream(name: str, engines: tuple[str, ...], resolver: str | None) -> list[str]:
    """Engines, the least busy first; names are asked for again, and one that is not there stops nothing."""
    numbers = presets()["nginx"]
    resolve = " resolve" if resolver else ""
    return _block(
        f"upstream {name}",
        [
            "least_conn;",
            f"zone {name} 64k;  # all workers count together",
            *([f"resolver {resolver} valid={numbers['resolver_seconds']}s ipv6=off;"] if resolver else []),
            *(f"server {e}{resolve} max_fails=1 fail_timeout={numbers['fail_seconds']}s;" for e in engines),
        ],
    )


def _log() -> list[str]:
    """One JSON line a request, without bodies and query; a client's id only if it is harmless."""
    fields = {
        "time": "$time_iso8601",
        "request_id": "$passed_id",
        "client": "$remote_addr",
        "method": "$request_method",
        "path": "$uri",
        "status": "$status",
        "bytes": "$body_bytes_sent",
        "seconds": "$request_time",
        "engine": "$upstream_addr",
        "engine_status": "$upstream_status",
        "first_byte_seconds": "$upstream_header_time",
    }
    return [
        *_block(
            "map $http_x_request_id $passed_id",
            ["default $request_id;", '"~^[A-Za-z0-9._-]{1,128}$" $http_x_request_id;'],
        ),
        f"log_format requests escape=json '{json.dumps(fields)}';",
        "access_log /dev/stdout requests;",
    ]


def _error(message: str, kind: str, code: str) -> str:
    """The body of an error as OpenAI writes it."""
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})


def _block(head: str, lines: list[str]) -> list[str]:
    return [f"{head} {{", *(f"    {line}" for line in lines), "}"]
