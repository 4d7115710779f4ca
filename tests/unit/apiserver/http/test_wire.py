"""Status lines and headers."""

from apiserver.http.wire import head


def test_head():
    made = head(201, 7, "application/json", [("X", "y")], True).decode()
    lines = made.split("\r\n")
    assert lines[0] == "HTTP/1.1 201 Created"
    assert "Content-Length: 7" in lines
    assert "X: y" in lines
    assert made.endswith("\r\n\r\n")
    assert "Connection" not in made


def test_the_last_answer_says_so():
    assert b"\r\nConnection: close\r\n\r\n" in head(200, 0, "text/plain", [], False)


def test_no_header_can_bring_another():
    made = head(200, 0, "text/plain", [("Warning", 'a\r\nSet-Cookie: x\x00"')], True).decode()
    assert 'Warning: a  Set-Cookie: x "\r\n' in made
