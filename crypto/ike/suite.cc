#include "crypto/ike/suite.h"

#include <array>

namespace crypto::ike {
namespace {

// One row an algorithm: its number, its name, and what computes it. A new algorithm is a new row
// here and an entry in the owner's policy.
struct CipherRow {
  IkeCipher number;
  std::string_view name;
  std::optional<CipherId> prim;
};
constexpr CipherRow kCiphers[] = {
    {IkeCipher::kDesCbc, "DES-CBC", std::nullopt},
    {IkeCipher::kIdeaCbc, "IDEA-CBC", std::nullopt},
    {IkeCipher::kBlowfishCbc, "Blowfish-CBC", std::nullopt},
    {IkeCipher::kRc5Cbc, "RC5-CBC", std::nullopt},
    {IkeCipher::kTripleDesCbc, "3DES-CBC", CipherId::kTripleDesCbc},
    {IkeCipher::kCastCbc, "CAST-CBC", std::nullopt},
    {IkeCipher::kAesCbc, "AES-CBC", CipherId::kAesCbc},
    {IkeCipher::kCamelliaCbc, "Camellia-CBC", std::nullopt},
};

struct HashRow {
  IkeHash number;
  std::string_view name;
  std::optional<HashId> prim;
};
constexpr HashRow kHashes[] = {
    {IkeHash::kMd5, "MD5", HashId::kMd5},
    {IkeHash::kSha1, "SHA1", HashId::kSha1},
    {IkeHash::kTiger, "Tiger", std::nullopt},
    {IkeHash::kSha2_256, "SHA2-256", HashId::kSha256},
    {IkeHash::kSha2_384, "SHA2-384", HashId::kSha384},
    {IkeHash::kSha2_512, "SHA2-512", HashId::kSha512},
};

struct EspCipherRow {
  EspCipher number;
  std::string_view name;
  std::optional<CipherId> prim;
  // Of one that authenticates as well: what it takes from KEYMAT behind its key, without which the
  // Key Length attribute is counted (RFC 4106 sections 8.1 and 8.4).
  size_t salt_octets = 0;
};
constexpr EspCipherRow kEspCiphers[] = {
    {EspCipher::kDes, "DES", std::nullopt},
    {EspCipher::kTripleDes, "3DES", CipherId::kTripleDesCbc},
    {EspCipher::kNull, "NULL", std::nullopt},
    {EspCipher::kAesCbc, "AES-CBC", CipherId::kAesCbc},
    {EspCipher::kAesCtr, "AES-CTR", std::nullopt},
    {EspCipher::kAesGcm16, "AES-GCM-16", CipherId::kAesGcm, 4},
};

struct EspAuthRow {
  EspAuth number;
  std::string_view name;
  size_t key_octets;  // 0: not spoken here
};
constexpr EspAuthRow kEspAuths[] = {
    {EspAuth::kNone, "none", 0},
    {EspAuth::kHmacMd5, "HMAC-MD5", 0},
    {EspAuth::kHmacSha1, "HMAC-SHA1", 20},
    {EspAuth::kHmacSha2_256, "HMAC-SHA2-256", 32},
    {EspAuth::kHmacSha2_384, "HMAC-SHA2-384", 48},
    {EspAuth::kHmacSha2_512, "HMAC-SHA2-512", 64},
};

struct GroupRow {
  Group number;
  std::string_view name;
};
constexpr GroupRow kGroups[] = {
    {Group::kModp1024, "MODP-1024"}, {Group::kModp1536, "MODP-1536"},
    {Group::kModp2048, "MODP-2048"}, {Group::kModp3072, "MODP-3072"},
    {Group::kModp4096, "MODP-4096"}, {Group::kEcp256, "ECP-256"},
    {Group::kEcp384, "ECP-384"},
};

template <class Row, size_t kRows, class Number>
const Row* Find(const Row (&rows)[kRows], Number number) {
  for (const Row& row : rows) {
    if (row.number == number) return &row;
  }
  return nullptr;
}

template <class Row, size_t kRows, class Number>
std::string_view Name(const Row (&rows)[kRows], Number number) {
  const Row* row = Find(rows, number);
  return row == nullptr ? "unknown" : row->name;
}

// The name, or the number where there is none: what a peer offers may be anything.
template <class Number>
std::string NameOrNumber(Number number) {
  const std::string_view name = NameOf(number);
  return name == "unknown" ? std::to_string(static_cast<unsigned>(number)) : std::string(name);
}

std::optional<size_t> KeyOctets(CipherId id, uint16_t key_bits) {
  if (id == CipherId::kTripleDesCbc) {
    if (key_bits != 0) return std::nullopt;
    return 24;
  }
  if (key_bits % 8 != 0 || !IsKeySize(id, key_bits / 8U)) return std::nullopt;
  return key_bits / 8U;
}

std::string Escaped(ByteView bytes) {
  std::string text;
  for (const std::byte b : bytes.first(std::min<size_t>(bytes.size(), 60))) {
    const char c = static_cast<char>(b);
    if (c > ' ' && c < '\x7f' && c != '\\' && c != '"') {
      text += c;
    } else {
      text += "\\x" + stack::ToHex({&b, 1});
    }
  }
  return text;
}

}  // namespace

std::optional<stack::Ip4> Identification::address() const {
  if (type != IdType::kIpv4Addr || data.size() != 4) return std::nullopt;
  return stack::Ip4{stack::Load32(data.data())};
}

Identification Identification::OfAddress(stack::Ip4 ip, uint8_t protocol, uint16_t port) {
  Identification id{IdType::kIpv4Addr, protocol, port, Bytes(4)};
  stack::Store32(id.data.data(), ip.value);
  return id;
}

std::string Identification::Text() const {
  std::string text;
  if (const auto ip = address()) {
    text = ip->Text();
  } else if (type == IdType::kFqdn) {
    text = "fqdn " + Escaped(data);
  } else if (type == IdType::kUserFqdn) {
    text = "user " + Escaped(data);
  } else if (type == IdType::kKeyId) {
    text = "key-id " + Escaped(data);
  } else {
    text = "id-type-" + std::to_string(static_cast<unsigned>(type)) + " " + Escaped(data);
  }
  if (protocol == 0 && port == 0) return text;
  return text + " " + std::to_string(protocol) + "/" + std::to_string(port);
}

std::string_view NameOf(IkeCipher cipher) { return Name(kCiphers, cipher); }
std::string_view NameOf(IkeHash hash) { return Name(kHashes, hash); }
std::string_view NameOf(EspCipher cipher) { return Name(kEspCiphers, cipher); }
std::string_view NameOf(EspAuth auth) { return Name(kEspAuths, auth); }
std::string_view NameOf(Group group) { return Name(kGroups, group); }

std::string_view NameOf(AuthMethod auth) {
  switch (auth) {
    case AuthMethod::kNone:
      return "none";
    case AuthMethod::kPreSharedKey:
      return "PSK";
    case AuthMethod::kDssSignature:
      return "DSS";
    case AuthMethod::kRsaSignature:
      return "RSA";
    case AuthMethod::kXauthInitPreShared:
      return "XAUTH-PSK";
  }
  return "unknown";
}

std::string_view NameOf(EncapsulationMode mode) {
  switch (mode) {
    case EncapsulationMode::kNone:
      return "none";
    case EncapsulationMode::kTunnel:
      return "Tunnel";
    case EncapsulationMode::kTransport:
      return "Transport";
    case EncapsulationMode::kUdpTunnel:
    case EncapsulationMode::kDraftUdpTunnel:
      return "UDP-Tunnel";
    case EncapsulationMode::kUdpTransport:
    case EncapsulationMode::kDraftUdpTransport:
      return "UDP-Transport";
  }
  return "unknown";
}

std::string_view NameOf(NotifyType type) {
  switch (type) {
    case NotifyType::kNone:
      return "none";
    case NotifyType::kInvalidPayloadType:
      return "INVALID-PAYLOAD-TYPE";
    case NotifyType::kSituationNotSupported:
      return "SITUATION-NOT-SUPPORTED";
    case NotifyType::kInvalidCookie:
      return "INVALID-COOKIE";
    case NotifyType::kInvalidExchangeType:
      return "INVALID-EXCHANGE-TYPE";
    case NotifyType::kInvalidProtocolId:
      return "INVALID-PROTOCOL-ID";
    case NotifyType::kInvalidSpi:
      return "INVALID-SPI";
    case NotifyType::kNoProposalChosen:
      return "NO-PROPOSAL-CHOSEN";
    case NotifyType::kBadProposalSyntax:
      return "BAD-PROPOSAL-SYNTAX";
    case NotifyType::kPayloadMalformed:
      return "PAYLOAD-MALFORMED";
    case NotifyType::kInvalidKeyInformation:
      return "INVALID-KEY-INFORMATION";
    case NotifyType::kInvalidIdInformation:
      return "INVALID-ID-INFORMATION";
    case NotifyType::kInvalidHashInformation:
      return "INVALID-HASH-INFORMATION";
    case NotifyType::kAuthenticationFailed:
      return "AUTHENTICATION-FAILED";
    case NotifyType::kResponderLifetime:
      return "RESPONDER-LIFETIME";
    case NotifyType::kReplayStatus:
      return "REPLAY-STATUS";
    case NotifyType::kInitialContact:
      return "INITIAL-CONTACT";
    case NotifyType::kRUThere:
      return "R-U-THERE";
    case NotifyType::kRUThereAck:
      return "R-U-THERE-ACK";
  }
  return "unknown";
}

std::string Text(const PhaseOneSuite& suite) {
  std::string text = NameOrNumber(suite.cipher);
  if (suite.key_bits != 0) text += "-" + std::to_string(suite.key_bits);
  return text + "/" + NameOrNumber(suite.hash) + "/" + NameOrNumber(suite.group) + "/" +
         NameOrNumber(suite.auth);
}

std::string Text(const EspSuite& suite) {
  std::string text = NameOrNumber(suite.cipher);
  if (suite.key_bits != 0) text += "-" + std::to_string(suite.key_bits);
  const bool says_all = IsAuthenticating(suite.cipher) && suite.auth == EspAuth::kNone;
  if (!says_all) text += "/" + NameOrNumber(suite.auth);
  text += "/" + NameOrNumber(suite.mode);
  if (suite.pfs_group) text += "/" + NameOrNumber(*suite.pfs_group);
  return text;
}

std::optional<HashId> PrimOf(IkeHash hash) {
  const HashRow* row = Find(kHashes, hash);
  return row == nullptr ? std::nullopt : row->prim;
}

std::optional<CipherShape> PrimOf(IkeCipher cipher, uint16_t key_bits) {
  const CipherRow* row = Find(kCiphers, cipher);
  if (row == nullptr || !row->prim) return std::nullopt;
  const std::optional<size_t> octets = KeyOctets(*row->prim, key_bits);
  if (!octets) return std::nullopt;
  return CipherShape{*row->prim, *octets};
}

bool IsAuthenticating(EspCipher cipher) {
  const EspCipherRow* row = Find(kEspCiphers, cipher);
  return row != nullptr && row->salt_octets != 0;
}

std::optional<EspKeySizes> KeySizesOf(const EspSuite& suite) {
  const EspCipherRow* cipher = Find(kEspCiphers, suite.cipher);
  const EspAuthRow* auth = Find(kEspAuths, suite.auth);
  if (cipher == nullptr || !cipher->prim || auth == nullptr) return std::nullopt;
  const bool needs_auth = !IsAuthenticating(suite.cipher);
  if (needs_auth ? auth->key_octets == 0 : suite.auth != EspAuth::kNone) return std::nullopt;
  const std::optional<size_t> octets = KeyOctets(*cipher->prim, suite.key_bits);
  if (!octets) return std::nullopt;
  return EspKeySizes{*octets + cipher->salt_octets, auth->key_octets};
}

bool IsSupportedGroup(Group group) { return PublicValueSize(group) != 0; }

}  // namespace crypto::ike
