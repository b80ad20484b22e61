"""HTTP on 127.0.0.1: the page and its files, and the few requests that it makes.

What another page in the same browser could send is refused: by the name in ``Host`` (a name of
somebody else's that leads here), and by a header that no page may send elsewhere unasked.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import os
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nhot.report
from nhot.closing import Closing
from nhot.compiler import Image
from nhot.errors import DeviceError, NhotError
from nhot.network import file as network_file
from nhot.printable import printable
from nhot.serve.facts import Facts
from nhot.serve.samples import Samples
from nhot.serve.session import Busy, Table

__all__ = ["Server"]

_log = logging.getLogger("nhot.serve")

_HERE = Path(__file__).parent
_FILES = {
    "/": (_HERE / "page.html", "text/html; charset=utf-8"),
    "/icon.svg": (_HERE / "icon.svg", "image/svg+xml"),
    "/style.css": (Path(nhot.report.__file__).with_name("style.css"), "text/css; charset=utf-8"),
    "/page.css": (_HERE / "page.css", "text/css; charset=utf-8"),
    **{f"/{name}.js": (_HERE / f"{name}.js", "text/javascript; charset=utf-8")
       for name in ("page", "drawing", "recorder", "microphone")},
}
_MARK = "X-Nhot"  # a header that a browser sends to another's page only where that page agrees
_MEBI = 1 << 20
_SECONDS = 30.0  # of silence in the middle of a request

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class _Refused(Exception):
    """A request that is not answered, with its status."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Server(Closing):
    """The page of a table, as a context manager.

    Parameters
    ----------
    table : Table
    facts : Facts
    samples : Samples
    port : int
        Of 127.0.0.1; 0 takes a free one.

    Attributes
    ----------
    address : str
        What a browser opens.
    """

    def __init__(self, table: Table, facts: Facts, samples: Samples, port: int = 0) -> None:
        if not 0 <= port <= 0xFFFF:
            raise NhotError(f"Port of the page must be 0 to 65535, not {port}")
        try:
            self._server = _Http(port, _Routes(table, facts, samples))
        except OSError as error:
            raise NhotError(f"Port {port} of the page must be free: "
                            f"{os.strerror(error.errno or 0)}") from None
        self.address = f"http://127.0.0.1:{self._server.server_port}/"

    def run(self) -> None:
        """Answer requests until :meth:`stop`."""
        self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """End :meth:`run`, from another thread."""
        self._server.shutdown()

    def close(self) -> None:
        """Give the port back."""
        self._server.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, routes: _Routes) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.routes = routes

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away."""
        _log.debug("a connection broke off", exc_info=True)


class _Routes:
    """What is done for each request of the page; ``posts`` says the most bytes of each."""

    def __init__(self, table: Table, facts: Facts, samples: Samples) -> None:
        self._table, self._facts, self._samples = table, facts, samples
        self.posts: dict[str, tuple[int, Callable[[bytes], dict[str, Any]]]] = {
            "/load": (96 * _MEBI, self.load), "/picture": (32 * _MEBI, self.picture),
            "/sound": (4 * _MEBI, self.sound),
        }

    def state(self) -> dict[str, Any]:
        return self._facts.state(self._table)

    def load(self, body: bytes) -> dict[str, Any]:
        try:
            fields = json.loads(body)
            image, network = (base64.b64decode(fields[name], validate=True)
                              for name in ("image", "network"))
        except (ValueError, TypeError, LookupError, binascii.Error, RecursionError):
            raise NhotError("Request must have an image and its network in base64") from None
        self._table.load(Image.from_bytes(image), network_file.from_bytes(network))
        return self.state()

    def picture(self, body: bytes) -> dict[str, Any]:
        return self._facts.run(self._table.run(
            lambda source: self._samples.picture(source, body, "of the page")))

    def sound(self, body: bytes) -> dict[str, Any]:
        return self._facts.run(self._table.run(
            lambda source: self._samples.sound(source, body, "of the page")))


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: _Http
    timeout = _SECONDS
    server_version, sys_version = "nhot", ""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _get(self) -> tuple[bytes, str]:
        if self.path == "/state":
            self._check_mark()
            return _json(self.server.routes.state()), "application/json"
        if self.path not in _FILES:
            raise _Refused(HTTPStatus.NOT_FOUND, "There is nothing here")
        path, kind = _FILES[self.path]
        return path.read_bytes(), kind

    def _post(self) -> tuple[bytes, str]:
        if self.path not in self.server.routes.posts:
            raise _Refused(HTTPStatus.NOT_FOUND, "There is nothing here")
        self._check_mark()
        most, work = self.server.routes.posts[self.path]
        return _json(work(self._body(most))), "application/json"

    def _answer(self, work: Callable[[], tuple[bytes, str]]) -> None:
        status = HTTPStatus.OK
        try:
            self._check_host()
            content, kind = work()
        except _Refused as error:
            status, content, kind = error.status, _error(error), "application/json"
        except Busy as error:
            status, content, kind = HTTPStatus.CONFLICT, _error(error), "application/json"
        except DeviceError as error:
            _log.warning("%s", error)
            status, content, kind = HTTPStatus.BAD_GATEWAY, _error(error), "application/json"
        except NhotError as error:
            status, content, kind = HTTPStatus.BAD_REQUEST, _error(error), "application/json"
        except OSError:  # of the connection
            raise
        except Exception as error:
            _log.exception("this is a defect in nhot; please report it")
            status, kind = HTTPStatus.INTERNAL_SERVER_ERROR, "application/json"
            content = _json({"error": f"This is a defect in nhot ({type(error).__name__})"})
        self.send_response(status)
        for name, value in (*_HEADERS.items(), ("Content-Type", kind),
                            ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _check_host(self) -> None:
        port = self.server.server_port
        if self.headers.get_all("Host") not in ([f"127.0.0.1:{port}"], [f"localhost:{port}"]):
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST, "Host must be 127.0.0.1 or localhost")

    def _check_mark(self) -> None:
        if self.headers.get(_MARK) != "1":
            raise _Refused(HTTPStatus.FORBIDDEN, f"Request must have the header {_MARK}: 1")

    def _body(self, most: int) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "Request must say its length")
        if len(length) > 12 or int(length) > most:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                           f"Request must have at most {most:,} bytes, not {length[:12]}")
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            raise _Refused(HTTPStatus.BAD_REQUEST, "Request must be as long as it says")
        return body

    def log_message(self, format: str, *args: Any) -> None:
        """To the log, nothing of it raw."""
        _log.debug("%s", printable(format % args))


def _json(values: dict[str, Any]) -> bytes:
    return json.dumps(values, allow_nan=False).encode("ascii")


def _error(error: Exception) -> bytes:
    return _json({"error": " ".join(str(error).split())})
