"""Which addresses may be connected to: the internet's own, in none of the forms that others hide in."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.sources.addresses import is_public

NOT_PUBLIC_V4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
]
"""The registry of special-purpose addresses, and multicast."""
NOT_PUBLIC_V6 = [
    "::/96",  # unspecified, loopback, and the old way to write an IPv4 address
    "::ffff:0:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2001:db8::/32",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]


def addresses_in(network):
    return st.integers(int(network.network_address), int(network.broadcast_address))


private_v4 = st.sampled_from(NOT_PUBLIC_V4).flatmap(lambda text: addresses_in(IPv4Network(text))).map(IPv4Address)
private_v6 = st.sampled_from(NOT_PUBLIC_V6).flatmap(lambda text: addresses_in(IPv6Network(text))).map(IPv6Address)


def disguises(address: IPv4Address) -> list[IPv6Address]:
    number = int(address)
    return [
        IPv6Address(int(IPv6Address("::ffff:0:0")) | number),
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),
        IPv6Address(int(IPv6Address("2002::")) | number << 80),
        IPv6Address(int(IPv6Address("2002::1")) | number << 80),
    ]


@given(private_v4)
def test_no_address_with_a_purpose_of_its_own_is_public(address):
    assert not is_public(str(address))
    assert not any(is_public(str(disguise)) for disguise in disguises(address))


@given(private_v6)
def test_nor_one_of_version_6(address):
    assert not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_an_address_in_disguise_is_what_it_is(address):
    assert {is_public(str(disguise)) for disguise in disguises(address)} == {is_public(str(address))}


@given(st.ip_addresses(v=6).filter(lambda address: int(address) >> 125 != 1))
def test_outside_of_what_is_given_out_there_is_nothing(address):
    inner = address.ipv4_mapped or (address in IPv6Network("64:ff9b::/96"))
    assert inner or not is_public(str(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450::5", "64:ff9b::101:101"])
def test_the_internets(address):
    assert is_public(address)


@pytest.mark.parametrize("address", ["", "localhost", "127.1", "0x7f000001", "2a00:1450::5%eth0", "169.254.169.254"])
def test_what_is_none(address):
    assert not is_public(address)


@given(st.text())
def test_any_text_has_an_answer(text):
    assert is_public(text) in (True, False)
