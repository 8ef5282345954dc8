"""Constants of the kernel's headers that suites write by name."""

from __future__ import annotations

FAMILIES = {"AF_INET": 2, "AF_INET6": 10}  # linux/socket.h
PROTOCOLS = {  # linux/in.h, linux/in6.h
    "IPPROTO_IP": 0,
    "IPPROTO_ICMP": 1,
    "IPPROTO_IGMP": 2,
    "IPPROTO_IPIP": 4,
    "IPPROTO_TCP": 6,
    "IPPROTO_UDP": 17,
    "IPPROTO_IPV6": 41,
    "IPPROTO_ROUTING": 43,
    "IPPROTO_FRAGMENT": 44,
    "IPPROTO_GRE": 47,
    "IPPROTO_ESP": 50,
    "IPPROTO_AH": 51,
    "IPPROTO_ICMPV6": 58,
    "IPPROTO_NONE": 59,
    "IPPROTO_SCTP": 132,
}
ETHERTYPES = {  # linux/if_ether.h
    "ETH_P_IP": 0x0800,
    "ETH_P_ARP": 0x0806,
    "ETH_P_8021Q": 0x8100,
    "ETH_P_IPV6": 0x86DD,
    "ETH_P_MPLS_UC": 0x8847,
    "ETH_P_MPLS_MC": 0x8848,
    "ETH_P_8021AD": 0x88A8,
}
