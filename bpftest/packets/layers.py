"""The layers that an expression may name, and the Scapy module of each.

Modules are imported in one order only, the core first and then the rest together: Scapy's bindings between
layers are made by imports, so the order could otherwise decide what a byte means.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError
from bpftest.packets.sealed import CORE, imported

if TYPE_CHECKING:
    from scapy.packet import Packet as Layer

MODULES = {
    "scapy.packet": "Padding Raw",
    "scapy.layers.l2": """
        ARP CookedLinux CookedLinuxV2 Dot1AD Dot1AH Dot1Q Dot3 Ether GRE GRE_PPTP GRErouting LLC Loopback
        LoopbackOpenBSD MPacketPreamble SNAP STP""",
    "scapy.layers.inet": """
        ICMP ICMPExtension_Header ICMPExtension_InterfaceInformation ICMPExtension_Object ICMPerror IP IPOption
        IPOption_Address_Extension IPOption_EOL IPOption_LSRR IPOption_MTU_Probe IPOption_MTU_Reply IPOption_NOP
        IPOption_RR IPOption_Router_Alert IPOption_SDBM IPOption_SSRR IPOption_Security IPOption_Stream_Id
        IPOption_Timestamp IPOption_Traceroute IPerror TCP TCPAOValue TCPerror UDP UDPerror""",
    "scapy.layers.inet6": """
        HAO HBHOptUnknown ICMPv6DestUnreach ICMPv6EchoReply ICMPv6EchoRequest ICMPv6HAADReply ICMPv6HAADRequest
        ICMPv6MLDMultAddrRec ICMPv6MLDone ICMPv6MLQuery ICMPv6MLQuery2 ICMPv6MLReport ICMPv6MLReport2 ICMPv6MPAdv
        ICMPv6MPSol ICMPv6MRD_Advertisement ICMPv6MRD_Solicitation ICMPv6MRD_Termination ICMPv6NDOptAdvInterval
        ICMPv6NDOptCaptivePortal ICMPv6NDOptDNSSL ICMPv6NDOptDstLLAddr ICMPv6NDOptEFA ICMPv6NDOptHAInfo
        ICMPv6NDOptIPAddr ICMPv6NDOptLLA ICMPv6NDOptMAP ICMPv6NDOptMTU ICMPv6NDOptNewRtrPrefix ICMPv6NDOptPREF64
        ICMPv6NDOptPrefixInfo ICMPv6NDOptRDNSS ICMPv6NDOptRedirectedHdr ICMPv6NDOptRouteInfo
        ICMPv6NDOptShortcutLimit ICMPv6NDOptSrcAddrList ICMPv6NDOptSrcLLAddr ICMPv6NDOptTgtAddrList
        ICMPv6NDOptUnknown ICMPv6ND_INDAdv ICMPv6ND_INDSol ICMPv6ND_NA ICMPv6ND_NS ICMPv6ND_RA ICMPv6ND_RS
        ICMPv6ND_Redirect ICMPv6NIQueryIPv4 ICMPv6NIQueryIPv6 ICMPv6NIQueryNOOP ICMPv6NIQueryName ICMPv6NIReplyIPv4
        ICMPv6NIReplyIPv6 ICMPv6NIReplyNOOP ICMPv6NIReplyName ICMPv6NIReplyRefuse ICMPv6NIReplyUnknown
        ICMPv6PacketTooBig ICMPv6ParamProblem ICMPv6RPL ICMPv6TimeExceeded ICMPv6Unknown IPerror6 IPv6
        IPv6ExtHdrDestOpt IPv6ExtHdrFragment IPv6ExtHdrHopByHop IPv6ExtHdrRouting IPv6ExtHdrSegmentRouting
        IPv6ExtHdrSegmentRoutingTLV IPv6ExtHdrSegmentRoutingTLVEgressNode IPv6ExtHdrSegmentRoutingTLVHMAC
        IPv6ExtHdrSegmentRoutingTLVIngressNode IPv6ExtHdrSegmentRoutingTLVPad1 IPv6ExtHdrSegmentRoutingTLVPadN Jumbo
        MIP6MH_BA MIP6MH_BE MIP6MH_BRR MIP6MH_BU MIP6MH_CoT MIP6MH_CoTI MIP6MH_Generic MIP6MH_HoT MIP6MH_HoTI
        MIP6OptAltCoA MIP6OptBRAdvice MIP6OptBindingAuthData MIP6OptCGAParams MIP6OptCGAParamsReq MIP6OptCareOfTest
        MIP6OptCareOfTestInit MIP6OptHomeKeygenToken MIP6OptLLAddr MIP6OptMNID MIP6OptMobNetPrefix MIP6OptMsgAuth
        MIP6OptNonceIndices MIP6OptReplayProtection MIP6OptSignature MIP6OptUnknown Pad1 PadN RouterAlert RplOption""",
    "scapy.layers.dns": """
        DNS DNSQR DNSRR DNSRRDLV DNSRRDNSKEY DNSRRDS DNSRRHINFO DNSRRHTTPS DNSRRMX DNSRRNAPTR DNSRRNSEC DNSRRNSEC3
        DNSRRNSEC3PARAM DNSRROPT DNSRRRSIG DNSRRSOA DNSRRSRV DNSRRSVCB DNSRRTSIG DNSTCP EDNS0COOKIE
        EDNS0ClientSubnet EDNS0DAU EDNS0DHU EDNS0ExtendedDNSError EDNS0N3U EDNS0OWN EDNS0PADDING EDNS0TLV SvcParam""",
    "scapy.layers.dhcp": "BOOTP DHCP",
    "scapy.layers.dhcp6": """
        DHCP6 DHCP6NTPSubOptMCAddr DHCP6NTPSubOptSrvAddr DHCP6NTPSubOptSrvFQDN DHCP6OptAddrRegEnable DHCP6OptAuth
        DHCP6OptBCMCSDomains DHCP6OptBCMCSServers DHCP6OptBootFileUrl DHCP6OptCaptivePortal DHCP6OptClientArchType
        DHCP6OptClientFQDN DHCP6OptClientId DHCP6OptClientLinkLayerAddr DHCP6OptClientNetworkInterId
        DHCP6OptDNSDomains DHCP6OptDNSServers DHCP6OptERPDomain DHCP6OptElapsedTime DHCP6OptGeoConf
        DHCP6OptGeoConfElement DHCP6OptIAAddress DHCP6OptIAPrefix DHCP6OptIA_NA DHCP6OptIA_PD DHCP6OptIA_TA
        DHCP6OptIfaceId DHCP6OptInfoRefreshTime DHCP6OptLQClientLink DHCP6OptMudUrl DHCP6OptNISDomain
        DHCP6OptNISPDomain DHCP6OptNISPServers DHCP6OptNISServers DHCP6OptNTPServer DHCP6OptNewPOSIXTimeZone
        DHCP6OptNewTZDBTimeZone DHCP6OptOptReq DHCP6OptPanaAuthAgent DHCP6OptPref DHCP6OptRapidCommit
        DHCP6OptReconfAccept DHCP6OptReconfMsg DHCP6OptRelayAgentERO DHCP6OptRelayMsg DHCP6OptRelaySuppliedOpt
        DHCP6OptRemoteID DHCP6OptSIPDomains DHCP6OptSIPServers DHCP6OptSNTPServers DHCP6OptServerId
        DHCP6OptServerUnicast DHCP6OptStatusCode DHCP6OptSubscriberID DHCP6OptUnknown DHCP6OptUserClass DHCP6OptVSS
        DHCP6OptVendorClass DHCP6OptVendorSpecificInfo DHCP6_AddrRegInform DHCP6_AddrRegReply DHCP6_Advertise
        DHCP6_Confirm DHCP6_Decline DHCP6_InfoRequest DHCP6_Rebind DHCP6_Reconf DHCP6_RelayForward DHCP6_RelayReply
        DHCP6_Release DHCP6_Renew DHCP6_Reply DHCP6_Request DHCP6_Solicit DUID_EN DUID_LL DUID_LLT DUID_UUID
        USER_CLASS_DATA VENDOR_CLASS_DATA VENDOR_SPECIFIC_OPTION""",
    "scapy.layers.vxlan": "VXLAN",
    "scapy.layers.sctp": """
        SCTP SCTPChunkAbort SCTPChunkAddressConf SCTPChunkAddressConfAck SCTPChunkAuthentication SCTPChunkCookieAck
        SCTPChunkCookieEcho SCTPChunkData SCTPChunkError SCTPChunkForwardTSN SCTPChunkHeartbeatAck
        SCTPChunkHeartbeatReq SCTPChunkIData SCTPChunkIForwardTSN SCTPChunkInit SCTPChunkInitAck SCTPChunkPad
        SCTPChunkParamAdaptationLayer SCTPChunkParamAddIPAddr SCTPChunkParamAddIncomingStreamReq
        SCTPChunkParamAddOutgoingStreamReq SCTPChunkParamChunkList SCTPChunkParamCookiePreservative
        SCTPChunkParamDelIPAddr SCTPChunkParamECNCapable SCTPChunkParamErrorIndication SCTPChunkParamFwdTSN
        SCTPChunkParamHeartbeatInfo SCTPChunkParamHostname SCTPChunkParamIPv4Addr SCTPChunkParamIPv6Addr
        SCTPChunkParamInSSNResetReq SCTPChunkParamOutSSNResetReq SCTPChunkParamRandom SCTPChunkParamReConfigRes
        SCTPChunkParamRequestedHMACFunctions SCTPChunkParamSSNTSNResetReq SCTPChunkParamSetPrimaryAddr
        SCTPChunkParamStateCookie SCTPChunkParamSuccessIndication SCTPChunkParamSupportedAddrTypes
        SCTPChunkParamSupportedExtensions SCTPChunkParamUnrocognizedParam SCTPChunkReConfig SCTPChunkSACK
        SCTPChunkShutdown SCTPChunkShutdownAck SCTPChunkShutdownComplete SCTPForwardSkip SCTPIForwardSkip SCTPerror""",
    "scapy.layers.igmp": """
        IGMP IGMP_MQ IGMP_MR IGMPv2_LG IGMPv2_MR IGMPv3 IGMPv3_MQ IGMPv3_MR IGMPv3_MRA IGMPv3_MRS IGMPv3_MRT
        IGMPv3_MR_Group""",
    "scapy.layers.eap": """
        EAP EAPOL EAPOL_KEY EAP_FAST EAP_MD5 EAP_PEAP EAP_TLS EAP_TTLS LEAP MACsecSCI""",
    "scapy.layers.ppp": """
        DIR_PPP HDLC PPP PPP_CHAP PPP_CHAP_ChallengeResponse PPP_ECP PPP_ECP_Option PPP_ECP_Option_OUI PPP_IPCP
        PPP_IPCP_Option PPP_IPCP_Option_DNS1 PPP_IPCP_Option_DNS2 PPP_IPCP_Option_IPAddress PPP_IPCP_Option_NBNS1
        PPP_IPCP_Option_NBNS2 PPP_LCP PPP_LCP_ACCM_Option PPP_LCP_Auth_Protocol_Option PPP_LCP_Callback_Option
        PPP_LCP_Code_Reject PPP_LCP_Configure PPP_LCP_Discard_Request PPP_LCP_Echo PPP_LCP_MRU_Option
        PPP_LCP_Magic_Number_Option PPP_LCP_Option PPP_LCP_Protocol_Reject PPP_LCP_Quality_Protocol_Option
        PPP_LCP_Terminate PPP_PAP PPP_PAP_Request PPP_PAP_Response PPPoE PPPoED PPPoED_Tags PPPoETag""",
    "scapy.layers.l2tp": "L2TP",
    "scapy.layers.ipsec": "AH ESP NAT_KEEPALIVE NON_ESP",
    "scapy.layers.vrrp": "VRRP VRRPv3",
    "scapy.contrib.gtp": """
        GTPEchoRequest GTPEchoResponse GTPErrorIndication GTPHeader GTPPDUSessionContainer
        GTPSupportedExtensionHeadersNotification GTP_PDCP_PDU_ExtensionHeader GTP_UDPPort_ExtensionHeader
        GTP_U_Header IE_Cause IE_ExtensionHeaderList IE_GSNAddress IE_PrivateExtension IE_Recovery IE_TEIDI""",
    "scapy.contrib.geneve": "GENEVE GeneveOptions",
    "scapy.contrib.mpls": "EoMCW ICMPExtension_MPLS MPLS",
    "scapy.contrib.bier": "BIER BIFT",
    "scapy.contrib.erspan": "ERSPAN ERSPAN_I ERSPAN_II ERSPAN_III ERSPAN_PlatformSpecific",
    "scapy.contrib.nsh": "NSH NSHTLV",
    "scapy.contrib.etherip": "EtherIP",
    "scapy.contrib.macsec": "MACsec",
    "scapy.contrib.wireguard": """
        Wireguard WireguardCookieReply WireguardInitiation WireguardResponse WireguardTransport""",
    "scapy.contrib.lldp": """
        LLDPDU LLDPDUChassisID LLDPDUEndOfLLDPDU LLDPDUGenericOrganisationSpecific LLDPDUManagementAddress
        LLDPDUPortDescription LLDPDUPortID LLDPDUPowerViaMDI LLDPDUPowerViaMDIDDL LLDPDUPowerViaMDIMeasure
        LLDPDUPowerViaMDIType34 LLDPDUSystemCapabilities LLDPDUSystemDescription LLDPDUSystemName LLDPDUTimeToLive""",
    "scapy.contrib.bfd": "BFD OptionalAuth",
}
LAYERS = {name: module for module, names in MODULES.items() for name in names.split()}
BEYOND_CORE = frozenset(name for name, module in LAYERS.items() if module not in (*CORE, "scapy.packet"))

ETHERNET = ("Ether", "Dot3")  # first headers by link
IP = ("IP", "IPv6")

_ready: set[str] = set()  # modules that were imported by `load`
_closed = False


class Unloaded(Exception):
    """A module of Scapy is needed that cannot be imported any more."""


def close() -> None:
    """From here on nothing can be imported. What is not there raises Unloaded."""
    global _closed  # noqa: PLW0603 - a process can import or it cannot
    _closed = True


def load(module: str) -> None:
    """Import Scapy's *module* and what goes with it: the core alone, or all of MODULES."""
    if module in _ready:
        return
    if _closed:
        raise Unloaded(module)
    modules = [] if module in (*CORE, "scapy.packet") else list(MODULES)
    imported(modules)
    _ready.update(modules, CORE, ("scapy.packet",))


def load_core() -> None:
    """Import what most packets consist of."""
    load(CORE[0])


def load_all() -> None:
    """Import everything in MODULES: before bytes are dissected, so that they are always read the same way."""
    load(next(reversed(MODULES)))


def layer(name: str) -> type[Layer]:
    """The Scapy class of the layer *name*, which is in LAYERS."""
    module = LAYERS[name]
    load(module)
    found: Any = getattr(sys.modules.get(module), name, None)
    if found is None:
        raise SuiteError(f"this version of Scapy has no layer {name}", "install the newest one")
    return found  # type: ignore[no-any-return]


def link(name: str) -> str:
    """The link of a packet whose first layer is *name*: "ethernet", "ip" or ""."""
    if name in ETHERNET:
        return "ethernet"
    return "ip" if name in IP else ""
