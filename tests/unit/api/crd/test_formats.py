"""Which texts have which format."""

import pytest

from api.crd.formats import compile_pattern, format_test, pattern_test

_GOOD = {
    "bsonobjectid": ["507f1f77bcf86cd799439011"],
    "uri": ["https://example.com/a?b=%zz", "/a/b", "mailto:a@b.c", "*", "http://[::1]:80/x", "http://u:p@h/"],
    "email": ["a@example.com", "Some One <a@example.com>", '"a b"@example.com', "a@[10.0.0.1]"],
    "hostname": ["example.com", "a", "a-b.example.com", "bücher.example.com", "1.example.com"],
    "ipv4": ["10.0.0.1", "010.000.0.01", "::ffff:1.2.3.4"],
    "ipv6": ["::1", "fe80::1", "::ffff:1.2.3.4"],
    "cidr": ["10.0.0.0/8", "::/0", "fd00::/64"],
    "mac": ["00:11:22:33:44:55", "00-11-22-33-44-55", "0011.2233.4455", "00:11:22:33:44:55:66:77"],
    "uuid": ["A987FBC9-4BED-3078-8F07-9141BA07C9F3", "a987fbc94bed3078cf079141ba07c9f3"],
    "uuid3": ["a987fbc9-4bed-3078-cf07-9141ba07c9f3"],
    "uuid4": ["57b73598-8764-4ad0-a76a-679bb6640eb1"],
    "uuid5": ["987fbc97-4bed-5078-af07-9141ba07c9f3"],
    "isbn": ["3-8362-2119-5", "978-3-8362-2119-1"],
    "isbn10": ["3836221195"],
    "isbn13": ["978 3836221191"],
    "creditcard": ["4532 0151 1283 0366", "5555555555554444"],
    "ssn": ["111-11-1111"],
    "hexcolor": ["#fff", "ffffff"],
    "rgbcolor": ["rgb(1,2,3)", "rgb( 255 , 0, 0 )"],
    "byte": ["aGVsbG8=", "QQ=="],
    "password": ["", "anything"],
    "date": ["2024-02-29"],
    "date-time": ["2024-01-01T00:00:00Z", "2024-01-01t23:59:59.5+01:00"],
    "duration": ["1h30m", "0", "-1.5s", "22 ns", "3 days"],
    "k8s-short-name": ["a-b"],
    "k8s-long-name": ["a.b-c.d"],
}
_BAD = {
    "bsonobjectid": ["507f"],
    "uri": ["", "a b", "no-scheme", "/%zz", "http://a b/", "http://h:port/", "/\x01"],
    "email": ["a", "a@", "@b", "a b@c", "<a@b"],
    "hostname": ["", "-a", "a..b", "a_b.c", f"{'a' * 64}.com", "a." * 128 + "com"],
    "ipv4": ["10.0.0", "256.0.0.1", "::1", ""],
    "ipv6": ["10.0.0.1", "::g", "fe80::1%eth0"],
    "cidr": ["10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/"],
    "mac": ["00:11:22:33:44", "00:11-22:33:44:55", "0011.2233"],
    "uuid": ["a987fbc9", ""],
    "uuid3": ["57b73598-8764-4ad0-a76a-679bb6640eb1"],
    "uuid4": ["a987fbc9-4bed-3078-cf07-9141ba07c9f3"],
    "uuid5": ["57b73598-8764-4ad0-a76a-679bb6640eb1"],
    "isbn": ["123"],
    "isbn10": ["3836221190"],
    "isbn13": ["9783836221190"],
    "creditcard": ["4532015112830367", "1"],
    "ssn": ["1"],
    "hexcolor": ["#ff", "ggg"],
    "rgbcolor": ["rgb(1,2)", "rgb(256,0,0)"],
    "byte": ["", "a", "aGVsbG8"],
    "date": ["2023-02-29", "2024-1-1", "x"],
    "date-time": ["2024-01-01", "2024-01-01T24:00:00Z", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00"],
    "duration": ["", "h", "5 parsecs"],
    "k8s-short-name": ["A", "a.b"],
    "k8s-long-name": ["A", ""],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in _GOOD.items() for text in texts])
def test_has_the_format(name, text):
    test = format_test(name)
    assert test is not None
    assert test(text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in _BAD.items() for text in texts])
def test_has_not_the_format(name, text):
    test = format_test(name)
    assert test is not None
    assert not test(text)


def test_unknown_formats_allow_everything():
    assert format_test("int32") is None
    assert format_test("") is None


def test_patterns_are_searched_in_linear_time():
    assert pattern_test("b")("abc")
    assert not pattern_test("^(a+)+$")("a" * 5000 + "!")
    with pytest.raises(ValueError, match="invalid perl operator"):
        compile_pattern("(?=a)")
