"""The page's server has nothing for anybody else, whatever is sent to it."""

from __future__ import annotations

import socket

import pytest

from nhot.testing.served import COLOUR, ask, image_file, photograph, serving


@pytest.mark.parametrize("path", ["/", "/page.js", "/style.css", "/icon.svg"])
def test_the_page_may_load_nothing_of_others(desk, path):
    with serving() as (port, _):
        answer, content = ask(port, path, mark=None)
    policy = answer.getheader("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert b"//www." not in content.replace(b"http://www.w3.org/2000/svg", b"")
    assert answer.getheader("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost",
                                  "127.0.0.1:1", "127.0.0.1:{port}.evil.example", "[::1]:{port}"])
@pytest.mark.parametrize("path", ["/", "/state"])
def test_another_name_of_this_machine_is_refused(desk, host, path):
    """A page of evil.example that has made its name lead here would send it as the host."""
    with serving() as (port, _):
        answer, found = ask(port, path, host=host.format(port=port))
        assert ask(port, path, host=f"localhost:{port}")[0].status == 200
    assert (answer.status, found) == (421, {"error": "Host must be 127.0.0.1 or localhost"})


def test_two_hosts_are_refused(desk):
    with serving() as (port, _):
        answer, _ = ask(port, "/state", headers=[("Host", "evil.example")])
    assert answer.status == 421


@pytest.mark.parametrize("path", ["/picture", "/sound", "/load"])
@pytest.mark.parametrize("mark", [None, "0"])
def test_what_another_page_may_send_is_refused(desk, path, mark):
    """Without the header, which takes that page a question that is never answered with yes."""
    with serving() as (port, table):
        table.load(image_file(COLOUR), COLOUR)
        answer, _ = ask(port, path, photograph(9, 9), mark=mark)
        assert answer.status == 403
        question, _ = ask(port, path, method="OPTIONS")
        assert question.status == 501
        assert question.getheader("Access-Control-Allow-Headers") is None
        assert ask(port, "/state", mark=mark)[0].status == 403


@pytest.mark.parametrize(("headers", "status"), [
    ([("Content-Length", "")], 411), ([("Content-Length", "-1")], 411),
    ([("Content-Length", "\xb2")], 411), ([("Content-Length", str(33 << 20))], 413),
    ([("Content-Length", "9" * 5000)], 413),
    ([("Content-Length", "3"), ("Transfer-Encoding", "chunked")], 411),
])
def test_the_size_of_a_request_is_bounded(desk, headers, status):
    with serving() as (port, table):
        table.load(image_file(COLOUR), COLOUR)
        answer, found = ask(port, "/picture", b"", headers=headers)
        assert answer.status == status
        assert "error" in found


@pytest.mark.parametrize("path", ["/nothing", "/../table.py", "/page.html", "/state?"])
def test_there_is_nothing_else(desk, path):
    with serving() as (port, _):
        assert ask(port, path)[0].status == 404
        assert ask(port, path, b"x")[0].status == 404


def test_it_listens_on_this_machine_alone(desk):
    with serving() as (port, _):
        with pytest.raises(OSError, match=r"refused|unreachable"):
            socket.create_connection(("127.0.0.2", port), timeout=5)
