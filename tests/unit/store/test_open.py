import pytest

from store.open import open_backend, parse_targets


@pytest.mark.parametrize(
    ("url", "secure", "targets"),
    [
        pytest.param("etcd://h:1", False, ("h:1",), id="etcd"),
        pytest.param("etcd://a:1,b:2", False, ("a:1", "b:2"), id="several"),
        pytest.param("http://a", False, ("a:2379",), id="default-port"),
        pytest.param("https://a:1,https://b:2/", True, ("a:1", "b:2"), id="upstreams-form"),
        pytest.param("https://[::1]:2379", True, ("[::1]:2379",), id="ipv6"),
    ],
)
def test_targets(url, secure, targets):
    assert parse_targets(url) == (secure, targets)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("redis://a", "unknown scheme 'redis'", id="scheme"),
        pytest.param("etcd://", "no host", id="no-host"),
        pytest.param("https://a:1", "needs a CA file", id="tls-without-ca"),
        pytest.param("sqlite:", "no path", id="no-path"),
    ],
)
async def test_bad_urls(url, message):
    with pytest.raises(ValueError, match=message):
        await open_backend(url)
