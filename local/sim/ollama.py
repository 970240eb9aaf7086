"""Simulated `ollama`: the server with `serve`, else the client of a running one (list, ps, pull, run)."""

import http.client
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from local.errors import LocalError

COMMANDS = ("list", "ls", "ps", "pull", "run", "serve")
DEFAULT_PORT = 11434


def address(env: Mapping[str, str]) -> tuple[str, int]:
    """Host and port of OLLAMA_HOST, for server and client alike. Raises LocalError if it is no address."""
    text = env.get("OLLAMA_HOST", "").strip().removeprefix("http://").rstrip("/")
    host, _, port = text.rpartition(":") if ":" in text else (text, "", "")
    if port and not port.isdigit():
        raise LocalError(f"OLLAMA_HOST: {text!r} has no valid port")
    return host or "127.0.0.1", int(port) if port else DEFAULT_PORT


def main(argv: Sequence[str]) -> int:
    """Run a command; its exit code."""
    command, *words = [word for word in argv if not word.startswith("-")] or [""]
    flags = [word for word in argv if word.startswith("-")]
    if command not in COMMANDS:
        return _fail(f'unknown command "{command}" for "ollama"')
    if flags:
        return _fail(f"unknown flag: {flags[0]}")
    if command == "serve":
        # Here, because the client starts in half the time without the server's libraries.
        from local.sim.ollama_server import serve

        serve()
        return 0
    try:
        return _client(command, words)
    except (ConnectionError, TimeoutError):
        return _fail("could not connect to ollama server, run 'ollama serve' to start it")
    except LocalError as problem:
        return _fail(str(problem))


def _client(command: str, words: list[str]) -> int:
    if command in ("list", "ls", "ps"):
        path = "/api/ps" if command == "ps" else "/api/tags"
        (answer,) = _ask("GET", path, None)
        print("NAME")
        for model in answer["models"]:
            print(model["name"])
        return 0
    if not words:
        return _fail(f"{command} needs a model name")
    if command == "run" and words[0] not in _names():
        _pull(words[0])
    if command == "pull":
        _pull(words[0])
        return 0
    for answer in _ask("POST", "/api/generate", {"model": words[0], "prompt": " ".join(words[1:])}):
        print(answer.get("response", ""), end="", flush=True)
    print()
    return 0


def _names() -> set[str]:
    (answer,) = _ask("GET", "/api/tags", None)
    full = {str(model["name"]) for model in answer["models"]}
    return full | {name.removesuffix(":latest") for name in full}


def _pull(name: str) -> None:
    for answer in _ask("POST", "/api/pull", {"model": name}):
        print(answer.get("status", ""), file=sys.stderr)


def _ask(method: str, path: str, body: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The JSON lines of an answer. Raises LocalError for an error in them."""
    host, port = address(os.environ)
    everywhere = host in ("0.0.0.0", "::")  # noqa: S104 - compared with, never bound
    server = http.client.HTTPConnection(os.environ.get("LOCAL_BIND", host) if everywhere else host, port)
    headers = {"Content-Type": "application/json"}
    server.request(method, path, None if body is None else json.dumps(body), headers)
    for line in server.getresponse():
        answer = json.loads(line)
        if "error" in answer:
            raise LocalError(str(answer["error"]))
        yield answer


def _fail(message: str) -> int:
    print(f"Error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
