// Every way a packet can die, with the name its counter carries in metrics, logs and the session
// list. A packet that is not delivered has exactly one of these; the README explains each to the
// operator.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace stack {

// clang-format off
#define ADIT_DROPS(X)                                                                               \
  /* Ethernet and ARP */                                                                            \
  X(kTruncated,          "truncated",            "shorter than its own headers say")                \
  X(kEtherType,          "ether_type",           "neither IPv4 nor ARP")                            \
  X(kNotOurMac,          "not_our_mac",          "for another station")                             \
  X(kArpMalformed,       "arp_malformed",        "no Ethernet/IPv4 ARP")                            \
  X(kBadSuperframe,      "bad_superframe",       "segmentation data of the frame is inconsistent")  \
  /* IPv4 and UDP */                                                                                \
  X(kBadVersion,         "bad_version",          "no IPv4 header")                                  \
  X(kBadHeaderLength,    "bad_header_length",    "header length out of range")                      \
  X(kBadChecksum,        "bad_checksum",         "header checksum wrong")                           \
  X(kBadUdpLength,       "bad_udp_length",       "UDP length disagrees with the packet")            \
  X(kBadUdpChecksum,     "bad_udp_checksum",     "UDP checksum wrong")                              \
  X(kMartian,            "martian",              "source or destination no packet may have")        \
  X(kNotOurs,            "not_ours",             "for an address that is neither ours nor a client's") \
  X(kKernels,            "kernels",              "for the kernel, which shares the address (normal)") \
  X(kNoService,          "no_service",           "no such protocol or port here")                   \
  X(kTtlExpired,         "ttl_expired",          "time to live ran out")                            \
  X(kNoRoute,            "no_route",             "no route to the destination")                     \
  X(kTooBig,             "too_big",              "larger than the way on, and may not be fragmented") \
  X(kFragmentMalformed,  "fragment_malformed",   "fragment offset or length illegal")               \
  X(kFragmentOverlap,    "fragment_overlap",     "fragments overlap")                               \
  X(kFragmentLimit,      "fragment_limit",       "too many fragments or datagrams in reassembly")   \
  X(kFragmentTimeout,    "fragment_timeout",     "a fragment never came")                           \
  X(kUnresolved,         "unresolved",           "next hop does not answer ARP")                    \
  X(kNeighborQueueFull,  "neighbor_queue_full",  "too many packets wait for ARP")                   \
  X(kRateLimited,        "rate_limited",         "an answer was due, but its rate limit is used up") \
  X(kDhcpMalformed,      "dhcp_malformed",       "DHCP message does not parse")                     \
  X(kDhcpIgnored,        "dhcp_ignored",         "DHCP message for another client or another state")  \
  /* IKE */                                                                                         \
  X(kIkeMalformed,       "ike_malformed",        "IKE message or payload does not parse")           \
  X(kIkeVersion,         "ike_version",          "not IKE version 1")                               \
  X(kIkeUnknownCookie,   "ike_unknown_cookie",   "no such phase 1")                                 \
  X(kIkeExchange,        "ike_exchange",         "exchange not spoken here, or not in this state")  \
  X(kIkeBadHash,         "ike_bad_hash",         "authentication hash wrong")                       \
  X(kIkeUndecryptable,   "ike_undecryptable",    "decrypts to garbage: wrong key or damaged")       \
  X(kIkeDuplicate,       "ike_duplicate",        "a message already answered")                      \
  X(kIkeRefused,         "ike_refused",          "negotiation failed")                              \
  X(kHalfOpenLimit,      "half_open_limit",      "too many logins at the same time")                \
  X(kPeerLimit,          "peer_limit",           "too many clients with SAs on this shard")         \
  X(kNatKeepalive,       "nat_keepalive",        "one-octet NAT keepalive (normal)")                \
  /* ESP */                                                                                         \
  X(kUnknownSpi,         "unknown_spi",          "no such inbound SA")                              \
  X(kReplayed,           "replayed",             "sequence number seen before")                     \
  X(kReplayTooOld,       "replay_too_old",       "sequence number left of the replay window")       \
  X(kBadIcv,             "bad_icv",              "integrity check failed")                          \
  X(kBadPadding,         "bad_padding",          "ESP padding or next header illegal")              \
  X(kNoOutboundSa,       "no_outbound_sa",       "no SA to send on")                                \
  X(kSequenceExhausted,  "sequence_exhausted",   "SA used up its sequence numbers")                 \
  X(kSaExpired,          "sa_expired",           "SA is past its hard limit")                       \
  X(kClearL2tp,          "clear_l2tp",           "L2TP outside ESP")                                \
  X(kInnerNotL2tp,       "inner_not_l2tp",       "something other than L2TP inside transport ESP")  \
  /* L2TP and PPP */                                                                                \
  X(kL2tpMalformed,      "l2tp_malformed",       "L2TP header or AVP does not parse")               \
  X(kUnknownTunnel,      "unknown_tunnel",       "no such L2TP tunnel")                             \
  X(kUnknownSession,     "unknown_session",      "no such L2TP session")                            \
  X(kForeignTunnel,      "foreign_tunnel",       "tunnel of another IPsec peer")                    \
  X(kL2tpOutOfWindow,    "l2tp_out_of_window",   "control message outside the receive window")      \
  X(kL2tpDuplicate,      "l2tp_duplicate",       "a control message already acknowledged")          \
  X(kPppMalformed,       "ppp_malformed",        "PPP frame does not parse")                        \
  X(kPppNotOpen,         "ppp_not_open",         "protocol not open in this phase")                 \
  X(kPppUnknownProtocol, "ppp_unknown_protocol", "protocol was rejected")                           \
  X(kPppDiscarded,       "ppp_discarded",        "silently discarded as the RFC says")              \
  /* Forwarding and NAT */                                                                          \
  X(kSpoofedSource,      "spoofed_source",       "source is not the address given to this client")  \
  X(kFiltered,           "filtered",             "denied by rule")                                  \
  X(kSwallowed,          "swallowed",            "broadcast, multicast or discovery noise")         \
  X(kNatNoMapping,       "nat_no_mapping",       "no such mapping")                                 \
  X(kNatNoPort,          "nat_no_port",          "no free external port")                           \
  X(kNatQuota,           "nat_quota",            "client used up its share of ports")               \
  X(kNatTableFull,       "nat_table_full",       "no room for another mapping or flow")             \
  X(kNatProtocol,        "nat_protocol",         "protocol cannot be translated")                   \
  X(kNatMalformed,       "nat_malformed",        "transport header does not parse")                 \
  /* The house itself */                                                                            \
  X(kPoolDry,            "pool_dry",             "no packet buffer free")                           \
  X(kMailboxFull,        "mailbox_full",         "the owner shard does not keep up")                \
  X(kFifoFull,           "fifo_full",            "too many control packets in one round")           \
  X(kRingTruncated,      "ring_truncated",       "the kernel cut the frame")                        \
  X(kSendFailed,         "send_failed",          "the kernel refused the frame")                    \
  X(kPeerGone,           "peer_gone",            "the session ended meanwhile")
// clang-format on

enum class Drop : uint8_t {
  kNone,  // alive
#define ADIT_DROP_ENUM(id, name, text) id,
  ADIT_DROPS(ADIT_DROP_ENUM)
#undef ADIT_DROP_ENUM
      kCount
};

inline constexpr size_t kDropCount = static_cast<size_t>(Drop::kCount);

// The counter's name, snake_case and stable ("none" for kNone), and a line for people.
std::string_view NameOf(Drop drop);
std::string_view TextOf(Drop drop);

// Counters by reason; one writer.
struct DropCounters {
  std::array<uint64_t, kDropCount> count{};
  void Add(Drop drop) { ++count[static_cast<size_t>(drop)]; }
  uint64_t operator[](Drop drop) const { return count[static_cast<size_t>(drop)]; }
};

}  // namespace stack
