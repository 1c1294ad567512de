import pytest

from milepost_primaries.url import RedisUrl, RedisUrlError, host_and_port


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("redis://one", "redis://one:6379/"),
        ("redis://one:1/2", "redis://one:1/2"),
        ("redis://[::1]:1/0", "redis://[::1]:1/0"),
        ("rediss://me:p%40ss@one:1/0?ssl_cert_reqs=none", None),
        ("redis://:secret@one:1/0", None),
    ],
)
def test_a_single_server_keeps_its_url(text: str, server: str | None) -> None:
    url = RedisUrl.parse(text)
    assert url.kind == "single"
    assert url.server(url.hosts[0]) == (server or text)


def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    url = RedisUrl.parse("rediss+cluster://me:secret@one:1,two,[::1]:3?ssl_ca_certs=%2Fca.pem")
    assert (url.kind, url.hosts) == ("cluster", ("one:1", "two:6379", "[::1]:3"))
    assert url.server("two:6379") == "rediss://me:secret@two:6379/?ssl_ca_certs=%2Fca.pem"


def test_sentinels_name_the_master_and_have_a_password_of_their_own() -> None:
    url = RedisUrl.parse("redis+sentinel://:data@one,two:2/prime/3?sentinel_password=watch%2F")
    assert (url.kind, url.hosts, url.master) == ("sentinel", ("one:26379", "two:2"), "prime")
    assert url.server("ten:6379") == "redis://:data@ten:6379/3"
    assert url.sentinel("two:2") == "redis://:watch%2F@two:2"


def test_sentinels_without_a_password_are_not_shown_the_one_of_the_data() -> None:
    url = RedisUrl.parse("redis+sentinel://:data@one/prime")
    assert url.sentinel("one:26379") == "redis://one:26379"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one:6379",
        "http://one",
        "redis://",
        "redis://one,two",
        "redis://one:port",
        "redis+cluster://one/1",
        "redis+cluster://one,,two",
        "redis+sentinel://one",
        "redis+sentinel://one/prime/first",
        "redis+proxy://one",
        "unix:///run/redis.sock",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(RedisUrlError):
        RedisUrl.parse(text)


def test_no_password_is_shown() -> None:
    url = RedisUrl.parse("redis+sentinel://me:hunter2@one/prime?sentinel_password=hunter3")
    assert "hunter" not in repr(url)
    with pytest.raises(RedisUrlError) as refused:
        RedisUrl.parse("redis+cluster://me:hunter2@one/9")
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize(("host", "expected"), [("10.0.0.1", "10.0.0.1:6"), ("::1", "[::1]:6")])
def test_an_ipv6_address_gets_its_brackets(host: str, expected: str) -> None:
    assert host_and_port(host, 6) == expected
