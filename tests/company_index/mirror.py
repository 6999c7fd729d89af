"""A loopback mirror of the package registries: it forwards requests for packages and records them."""

from __future__ import annotations

import json
import os
import threading
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.error import HTTPError
from urllib.parse import unquote, urljoin
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_PYPI = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple"
_NPM = os.environ.get("npm_config_registry") or "https://registry.npmjs.org"  # noqa: SIM112 - npm's own spelling
_SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"


class Mirror:
    """A package index under `/simple/` and an npm registry under `/npm/`, on one port of 127.0.0.1.

    It forwards to the registries that this process is set to use; the package index must answer in JSON (PEP 691).
    Each file is fetched from there once.

    Attributes:
        requests: The path of each request that was answered, in order.
    """

    def __init__(self, cache: Path) -> None:
        self.requests: list[str] = []
        self._cache = cache
        self._lock = threading.Lock()
        self._files: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address of the mirror, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def requested_files(self) -> list[str]:
        """Return the names of the packages' files that were requested, in order."""
        return [path.rpartition("/")[2] for path in self.requests if path.startswith("/files/")]

    def read(self, path: str) -> tuple[str, bytes]:
        """Return the content type and the body of the answer to a request.

        Raises:
            HTTPError: The registry does not have it.
            LookupError: The path is not one that the mirror serves.
        """
        self.requests.append(path)
        match path.split("/", 2)[1:]:
            case ["simple", name]:
                page = json.loads(_fetch(f"{_PYPI.rstrip('/')}/{name}", accept=_SIMPLE_JSON))
                for file in page["files"]:
                    file["url"] = self._mirrored(urljoin(f"{_PYPI.rstrip('/')}/{name}", file["url"]))
                return _SIMPLE_JSON, json.dumps(page).encode()
            case ["npm", name]:
                package = json.loads(_fetch(f"{_NPM.rstrip('/')}/{name}", accept="application/json"))
                for version in package["versions"].values():
                    version["dist"]["tarball"] = self._mirrored(version["dist"]["tarball"])
                return "application/json", json.dumps(package).encode()
            case ["files", file]:
                return "application/octet-stream", self._file(file)
            case _:
                raise LookupError(path)

    def _mirrored(self, url: str) -> str:
        folder, _, name = url.partition("#")[0].rpartition("/")
        key = sha256(folder.encode()).hexdigest()[:16]
        self._files[key] = folder
        return f"{self.url}/files/{key}/{name}"

    def _file(self, path: str) -> bytes:
        key, _, name = path.partition("/")
        kept = self._cache / f"{key}-{unquote(name)}"
        if not kept.exists():
            content = _fetch(f"{self._files[key]}/{name}", accept="*/*")
            with self._lock:
                kept.write_bytes(content)
        with self._lock:
            return kept.read_bytes()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                try:
                    kind, body = mirror.read(self.path)
                except HTTPError as error:
                    self.send_error(error.code)
                    return
                except LookupError:
                    self.send_error(HTTPStatus.NOT_FOUND)
                    return
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:  # noqa: ANN401 - as the base class has it
                """Print nothing; `requests` has them."""

        return Handler


def _fetch(url: str, *, accept: str) -> bytes:
    with urlopen(Request(url, headers={"Accept": accept})) as answer:  # noqa: S310 - a registry's own URL
        content: bytes = answer.read()
        return content
