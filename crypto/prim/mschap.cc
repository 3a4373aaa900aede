#include "crypto/prim/mschap.h"

#include <botan/block_cipher.h>

#include <algorithm>

#include "crypto/prim/hash.h"

namespace crypto {
namespace {

constexpr size_t kNtHashSize = 16;
constexpr size_t kMaxPasswordUnits = 256;  // RFC 2759 section 8.1, in UTF-16 units
constexpr std::string_view kMagic1 = "Magic server to client signing constant";
constexpr std::string_view kMagic2 = "Pad to make it do more than one iteration";

constexpr uint32_t kNoCodePoint = 0xffffffff;

// The next code point of well-formed UTF-8 (RFC 3629), taken off `text`; kNoCodePoint if it is not.
uint32_t TakeCodePoint(std::string_view& text) {
  const auto lead = static_cast<uint8_t>(text.front());
  const size_t more = lead < 0x80 ? 0 : lead < 0xc2 ? 4 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  if (lead > 0xf4 || more > 3 || text.size() <= more) return kNoCodePoint;
  uint32_t code = more == 0 ? lead : lead & (0x3fU >> more);
  for (size_t i = 1; i <= more; ++i) {
    const auto next = static_cast<uint8_t>(text[i]);
    if ((next & 0xc0) != 0x80) return kNoCodePoint;
    code = (code << 6) | (next & 0x3fU);
  }
  constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};  // below: an overlong form
  if (code < kLeast[more] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
    return kNoCodePoint;
  }
  text.remove_prefix(more + 1);
  return code;
}

// A password in UTF-16LE as it grows, in memory of a fixed place so that no copy stays behind.
class Utf16 {
 public:
  bool Add(uint32_t code) {
    if (code < 0x10000) return AddUnit(code);
    return AddUnit(0xd800 + ((code - 0x10000) >> 10)) && AddUnit(0xdc00 + (code & 0x3ff));
  }
  ByteView view() const { return bytes_.view().first(used_); }

 private:
  bool AddUnit(uint32_t unit) {
    if (used_ == bytes_.size()) return false;
    bytes_.span()[used_++] = static_cast<std::byte>(unit & 0xff);
    bytes_.span()[used_++] = static_cast<std::byte>(unit >> 8);
    return true;
  }

  Secret bytes_{kMaxPasswordUnits * 2};
  size_t used_ = 0;
};

// 56 bits spread over 64 as DES wants them: seven in each octet, the lowest bit (parity, which
// nobody looks at) left zero.
Secret SpreadDesKey(ByteView seven) {
  uint64_t bits = 0;
  for (const std::byte b : seven) bits = (bits << 8) | static_cast<uint8_t>(b);
  Secret key(8);
  for (size_t i = 0; i < 8; ++i) {
    key.span()[i] = static_cast<std::byte>((bits >> (49 - 7 * i) & 0x7f) << 1);
  }
  return key;
}

// RFC 2759 section 8.6.
void DesEncrypt(ByteView clear, ByteView key, ByteSpan cypher) {
  const Secret spread = SpreadDesKey(key);
  const auto des = Botan::BlockCipher::create_or_throw("DES");
  des->set_key(stack::AsU8(spread.view()), spread.size());
  des->encrypt(stack::AsU8(clear), stack::AsU8(cypher));
}

}  // namespace

std::string_view WithoutDomain(std::string_view name) {
  const size_t backslash = name.rfind('\\');
  return backslash == std::string_view::npos ? name : name.substr(backslash + 1);
}

absl::StatusOr<Secret> NtPasswordHash(std::string_view password) {
  Utf16 wide;
  while (!password.empty()) {
    const uint32_t code = TakeCodePoint(password);
    if (code == kNoCodePoint) return absl::InvalidArgumentError("password is not UTF-8");
    if (!wide.Add(code))
      return absl::InvalidArgumentError("password is longer than 256 characters");
  }
  return HashSecret(HashId::kMd4, {wide.view()});
}

std::array<std::byte, 8> ChallengeHash(const MsChapExchange& exchange) {
  const Digest digest =
      Hash(HashId::kSha1, {exchange.peer_challenge, exchange.authenticator_challenge,
                           stack::AsBytes(WithoutDomain(exchange.user_name))});
  std::array<std::byte, 8> challenge;
  std::copy_n(digest.view().begin(), challenge.size(), challenge.begin());
  return challenge;
}

NtResponse GenerateNtResponse(const MsChapExchange& exchange, const Secret& nt_hash) {
  const std::array<std::byte, 8> challenge = ChallengeHash(exchange);
  Secret padded(21);  // section 8.5: three keys of seven octets, zeros behind the hash
  std::copy_n(nt_hash.view().begin(), std::min(nt_hash.size(), kNtHashSize), padded.span().begin());
  NtResponse response;
  for (size_t i = 0; i < 3; ++i) {
    DesEncrypt(challenge, padded.view().subspan(7 * i, 7), ByteSpan(response).subspan(8 * i, 8));
  }
  return response;
}

bool CheckNtResponse(const MsChapExchange& exchange, const Secret& nt_hash, ByteView response) {
  if (nt_hash.size() != kNtHashSize) return false;
  return ConstantTimeEqual(GenerateNtResponse(exchange, nt_hash), response);
}

std::string GenerateAuthenticatorResponse(const MsChapExchange& exchange, const Secret& nt_hash,
                                          const NtResponse& response) {
  const Secret hash_hash = HashSecret(HashId::kMd4, {nt_hash.view()});
  const Digest signed_response =
      Hash(HashId::kSha1, {hash_hash.view(), response, stack::AsBytes(kMagic1)});
  const std::array<std::byte, 8> challenge = ChallengeHash(exchange);
  const Digest digest =
      Hash(HashId::kSha1, {signed_response.view(), challenge, stack::AsBytes(kMagic2)});
  std::string text = "S=" + stack::ToHex(digest.view());
  for (char& c : text) {
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

}  // namespace crypto
