"""Which texts name a host that may be opened, and what is said of all others."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.hosts import HostRefused, parse_host


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("pypi.org", "pypi.org"),
        (" PyPI.org.\n", "pypi.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("8.8.8.8", "8.8.8.8"),
        ("2606:4700:0::1111", "2606:4700::1111"),
        ("[2606:4700::1111]", "2606:4700::1111"),
    ],
)
def test_a_public_host_has_one_usual_form(text, host):
    assert parse_host(text) == host
    assert parse_host(host) == host


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The host is empty. Give a name such as pypi.org."),
        (" \n", "The host is empty. Give a name such as pypi.org."),
        ("https://pypi.org/simple",
         '"https://pypi.org/simple" is no host name. '
         "Give the name alone, without scheme, port and path: pypi.org."),
        ("pypi.org:443",
         '"pypi.org:443" is no host name. Give the name alone, without scheme, port and path: pypi.org.'),
        ("me@pypi.org",
         '"me@pypi.org" is no host name. Give the name alone, without scheme, port and path: pypi.org.'),
        ("*.pypi.org", '"*.pypi.org" is no host name. Give each name in full; there are no patterns.'),
        ("two words", '"two words" is no host name. Give a name such as pypi.org.'),
        ("x\x1b[31m\u202e.org", '"x[31m.org" is no host name. Give a name such as pypi.org.'),
        ("127.1", '"127.1" is no host name. Give a name such as pypi.org.'),
        ("2130706433", '"2130706433" is no host name. Give a name such as pypi.org.'),
        ("0x7f.0x1", '"0x7f.0x1" is no host name. Give a name such as pypi.org.'),
        ("fe80::1%eth0", '"fe80::1%eth0" is no host name. Give a name such as pypi.org.'),
        ("a..b", '"a..b" is no host name. Give a name such as pypi.org.'),
        ("-a.org", '"-a.org" is no host name. Give a name such as pypi.org.'),
        ("a" * 64 + ".org", f'"{"a" * 64}.org" is no host name. Give a name such as pypi.org.'),
        ("a." * 150 + "org", f'"{("a." * 40)[:79]}…" is no host name. Give a name such as pypi.org.'),
    ],
)  # fmt: skip
def test_what_is_no_bare_host_is_refused_with_what_to_write(text, message):
    with pytest.raises(HostRefused) as refused:
        parse_host(text)
    assert (refused.value.code, str(refused.value)) == ("invalid_host", message)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("10.1.2.3", "10.1.2.3"),
        ("192.168.0.1", "192.168.0.1"),
        ("172.16.0.1", "172.16.0.1"),
        ("100.100.100.200", "100.100.100.200"),
        ("169.254.169.254", "169.254.169.254"),
        ("168.63.129.16", "168.63.129.16"),
        ("0.0.0.0", "0.0.0.0"),
        ("224.0.0.1", "224.0.0.1"),
        ("255.255.255.255", "255.255.255.255"),
        ("::1", "::1"),
        ("fd00:ec2::254", "fd00:ec2::254"),
        ("fe80::1", "fe80::1"),
        ("[::ffff:10.0.0.1]", str(ipaddress.ip_address("::ffff:10.0.0.1"))),
        ("2002:0a00:0001::", "2002:a00:1::"),
        ("64:ff9b::a00:1", "64:ff9b::a00:1"),
    ],
)
def test_an_address_that_is_not_public_is_never_opened(text, shown):
    with pytest.raises(HostRefused) as refused:
        parse_host(text)
    assert refused.value.code == "access_never"
    assert str(refused.value) == (
        f"{shown} is never opened: it is a private, local or metadata address. "
        "A guest is let out to public hosts only."
    )


@pytest.mark.parametrize(
    "text", ["localhost", "db.localhost", "metadata.google.internal", "nas.local", "intranet"]
)
def test_a_name_of_a_local_network_is_never_opened(text):
    with pytest.raises(HostRefused) as refused:
        parse_host(text.upper())
    assert refused.value.code == "access_never"
    assert str(refused.value) == (
        f"{text} is never opened: it is a name of a local network. A guest is let out to public hosts only."
    )


@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_any_text_is_a_host_or_refused_in_one_bounded_line(text):
    host, said = "pypi.org", ""
    try:
        host = parse_host(text)
    except HostRefused as refused:
        said = str(refused)
    assert len(said) < 500
    assert "\n" not in said
    assert host.isascii()
    assert parse_host(host) == host


@given(st.integers(0, 2**32 - 1))
def test_no_way_to_write_a_private_address_opens_it(number):
    address = ipaddress.IPv4Address(number)
    if address.is_global and not address.is_multicast:
        return
    for text in (str(address), f"::ffff:{address}", str(number), hex(number), f"::{address}"):
        with pytest.raises(HostRefused):
            parse_host(text)
