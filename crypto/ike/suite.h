// What IKE negotiates, as numbers of the registries and values with names: the algorithms of phase
// 1 (RFC 2409 appendix A) and of ESP (RFC 2407 section 4.4.4), lifetimes, identities.
//
// Vocabulary only. ESP itself lives in a sibling folder that this one does not know; whoever owns
// both translates an EspSuite.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/prim/cipher.h"
#include "crypto/prim/dh.h"
#include "crypto/prim/hash.h"
#include "stack/base/address.h"
#include "stack/base/bytes.h"

namespace crypto::ike {

using stack::Bytes;
using stack::ByteSpan;
using stack::ByteView;

// Phase 1, attribute 1 "Encryption Algorithm".
enum class IkeCipher : uint16_t {
  kNone = 0,
  kDesCbc = 1,
  kIdeaCbc = 2,
  kBlowfishCbc = 3,
  kRc5Cbc = 4,
  kTripleDesCbc = 5,
  kCastCbc = 6,
  kAesCbc = 7,
  kCamelliaCbc = 8,
};

// Phase 1, attribute 2 "Hash Algorithm"; its HMAC is the prf.
enum class IkeHash : uint16_t {
  kNone = 0,
  kMd5 = 1,
  kSha1 = 2,
  kTiger = 3,
  kSha2_256 = 4,
  kSha2_384 = 5,
  kSha2_512 = 6,
};

// Phase 1, attribute 3 "Authentication Method". Only the first is spoken here.
enum class AuthMethod : uint16_t {
  kNone = 0,
  kPreSharedKey = 1,
  kDssSignature = 2,
  kRsaSignature = 3,
  kXauthInitPreShared = 65001,
};

// ESP transform identifiers, RFC 2407 section 4.4.4 and its registry.
enum class EspCipher : uint8_t {
  kNone = 0,
  kDes = 2,
  kTripleDes = 3,
  kNull = 11,
  kAesCbc = 12,
  kAesCtr = 13,
  kAesGcm16 = 20,
};

// Phase 2, attribute 5 "Authentication Algorithm". ICVs: SHA1 96 bits, SHA2-256 128, -384 192, -512
// 256.
enum class EspAuth : uint16_t {
  kNone = 0,
  kHmacMd5 = 1,
  kHmacSha1 = 2,
  kHmacSha2_256 = 5,
  kHmacSha2_384 = 6,
  kHmacSha2_512 = 7,
};

// Phase 2, attribute 4 "Encapsulation Mode"; the numbers above 61440 are those of the NAT-T drafts.
enum class EncapsulationMode : uint16_t {
  kNone = 0,
  kTunnel = 1,
  kTransport = 2,
  kUdpTunnel = 3,
  kUdpTransport = 4,
  kDraftUdpTunnel = 61443,
  kDraftUdpTransport = 61444,
};
constexpr bool IsUdpTransport(EncapsulationMode mode) {
  return mode == EncapsulationMode::kUdpTransport || mode == EncapsulationMode::kDraftUdpTransport;
}

// Identification types, RFC 2407 section 4.6.2.1.
enum class IdType : uint8_t {
  kNone = 0,
  kIpv4Addr = 1,
  kFqdn = 2,
  kUserFqdn = 3,
  kIpv4AddrSubnet = 4,
  kIpv6Addr = 5,
  kDerAsn1Dn = 9,
  kKeyId = 11,
};

// Notify message types: RFC 2408 section 3.14.1, RFC 2407 section 4.6.3, RFC 3706 section 5.
enum class NotifyType : uint16_t {
  kNone = 0,
  kInvalidPayloadType = 1,
  kSituationNotSupported = 3,
  kInvalidCookie = 4,
  kInvalidExchangeType = 7,
  kInvalidProtocolId = 10,
  kInvalidSpi = 11,
  kNoProposalChosen = 14,
  kBadProposalSyntax = 15,
  kPayloadMalformed = 16,
  kInvalidKeyInformation = 17,
  kInvalidIdInformation = 18,
  kInvalidHashInformation = 23,
  kAuthenticationFailed = 24,
  kResponderLifetime = 24576,
  kReplayStatus = 24577,
  kInitialContact = 24578,
  kRUThere = 36136,
  kRUThereAck = 36137,
};

// How long an SA was asked to live. Absent: the peer named no limit of that kind. 0 seconds: the
// peer asked for no limit (seen from strongSwan with rekeying off).
struct Lifetime {
  std::optional<uint32_t> seconds;
  std::optional<uint32_t> kilobytes;
  bool operator==(const Lifetime&) const = default;
};

// One transform of phase 1. As offered, its members may hold any number; kNone/0 where the
// attribute was absent. As chosen, all are ones Supports() knows.
struct PhaseOneSuite {
  IkeCipher cipher = IkeCipher::kNone;
  uint16_t key_bits = 0;  // 0 for ciphers with one key size
  IkeHash hash = IkeHash::kNone;
  AuthMethod auth = AuthMethod::kNone;
  Group group{};
  Lifetime lifetime;
  bool operator==(const PhaseOneSuite&) const = default;
};

// One ESP transform of phase 2, likewise.
struct EspSuite {
  EspCipher cipher = EspCipher::kNone;
  uint16_t key_bits = 0;  // 0 for ciphers with one key size
  EspAuth auth = EspAuth::kNone;
  EncapsulationMode mode = EncapsulationMode::kNone;
  std::optional<Group> pfs_group;
  Lifetime lifetime;
  bool operator==(const EspSuite&) const = default;
};

// The body of an Identification payload: holds it byte for byte, so that it can be echoed.
struct Identification {
  IdType type = IdType::kNone;
  uint8_t protocol = 0;  // of IP; 0: any
  uint16_t port = 0;     // 0: any
  Bytes data;

  // The address of an ID_IPV4_ADDR.
  std::optional<stack::Ip4> address() const;
  static Identification OfAddress(stack::Ip4 ip, uint8_t protocol = 0, uint16_t port = 0);
  // "192.168.1.2 17/1701", "fqdn host.example"; foreign octets are escaped, never longer than 300.
  std::string Text() const;
  bool operator==(const Identification&) const = default;
};

// Registry names as the RFCs spell them ("AES-CBC", "HMAC-SHA1", "MODP-2048"); "unknown" otherwise.
std::string_view NameOf(IkeCipher cipher);
std::string_view NameOf(IkeHash hash);
std::string_view NameOf(AuthMethod auth);
std::string_view NameOf(EspCipher cipher);
std::string_view NameOf(EspAuth auth);
std::string_view NameOf(EncapsulationMode mode);
std::string_view NameOf(Group group);
std::string_view NameOf(NotifyType type);
// "AES-CBC-256/SHA2-256/MODP-2048/PSK"; unknown parts with their number.
std::string Text(const PhaseOneSuite& suite);
// "AES-CBC-256/HMAC-SHA1/UDP-Transport", "AES-GCM-16-256/UDP-Transport"; with "/MODP-2048" behind
// when PFS is asked.
std::string Text(const EspSuite& suite);

// The tables of what can be computed here; nullopt for a number that is only known by name.
std::optional<HashId> PrimOf(IkeHash hash);
struct CipherShape {
  CipherId id;
  size_t key_octets;
};
// `key_bits` must be 0 exactly for ciphers with one key size.
std::optional<CipherShape> PrimOf(IkeCipher cipher, uint16_t key_bits);
// Whether the cipher proves who sent a packet, too, and goes without authentication algorithm.
bool IsAuthenticating(EspCipher cipher);
// Octets of key material an SA of this suite takes from KEYMAT: first cipher (with its salt), then
// authentication.
struct EspKeySizes {
  size_t cipher, auth;
};
std::optional<EspKeySizes> KeySizesOf(const EspSuite& suite);
bool IsSupportedGroup(Group group);

}  // namespace crypto::ike
