#include "crypto/prim/self_check.h"

#include <exception>
#include <string>

#include "crypto/prim/cipher.h"
#include "crypto/prim/dh.h"
#include "crypto/prim/gcm.h"
#include "crypto/prim/mac.h"
#include "crypto/prim/mschap.h"
#include "crypto/prim/rng.h"

namespace crypto {
namespace {

using stack::Bytes;
using stack::ToHex;

absl::Status Expect(const char* what, const std::string& is, const std::string& should_be) {
  if (is == should_be) return absl::OkStatus();
  return absl::InternalError(std::string("self-check failed: ") + what);
}

// RFC 2759 section 9.2: MD4, SHA-1 and DES in one.
std::string MsChapAnswer() {
  const Bytes ours = stack::FromHex("5b5d7c7d7b3f2f3e3c2c602132262628");
  const Bytes theirs = stack::FromHex("21402324255e262a28295f2b3a337c7e");
  const auto sixteen = [](const Bytes& bytes) { return ByteView(bytes).first<16>(); };
  const MsChapExchange exchange{sixteen(ours), sixteen(theirs), "User"};
  const auto hash = NtPasswordHash("clientPass");
  return hash.ok() ? ToHex(GenerateNtResponse(exchange, *hash)) : "";
}

// The cipher of one zero block under a key of zeros.
std::string ZeroBlock(CipherId id, size_t key_octets) {
  auto cipher = CbcCipher::Create(id, Direction::kEncrypt, Bytes(key_octets));
  Bytes block(BlockSize(id));
  if (!cipher.ok() || !cipher->Process(Bytes(block.size()), block)) return "";
  return ToHex(block);
}

// The tag of no octets at all under a key and a nonce of zeros.
std::string EmptyTag(size_t key_octets) {
  auto cipher = GcmCipher::Create(Direction::kEncrypt, Bytes(key_octets));
  Bytes tag(kGcmTagSize);
  if (!cipher.ok() || !cipher->Seal(Bytes(kGcmNonceSize), {}, {}, tag)) return "";
  return ToHex(tag);
}

// "abc" under the key "abc": first octets, enough to tell.
std::string HmacBegin(HashId id) {
  const ByteView abc = stack::AsBytes("abc");
  return ToHex(HmacOf(id, abc, {abc}).view().first(8));
}

absl::Status CheckGroup(Group group) {
  const auto pair = GenerateDh(group);
  return pair.ok() ? absl::OkStatus() : pair.status();
}

absl::Status CheckAll() {
  for (const absl::Status& status : {
           Expect("MS-CHAPv2", MsChapAnswer(), "82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df"),
           Expect("AES-128", ZeroBlock(CipherId::kAesCbc, 16), "66e94bd4ef8a2c3b884cfa59ca342b2e"),
           Expect("AES-192", ZeroBlock(CipherId::kAesCbc, 24), "aae06992acbf52a3e8f4a96ec9300bd7"),
           Expect("AES-256", ZeroBlock(CipherId::kAesCbc, 32), "dc95c078a2408989ad48a21492842087"),
           Expect("3DES", ZeroBlock(CipherId::kTripleDesCbc, 24), "8ca64de9c1b123a7"),
           Expect("AES-128-GCM", EmptyTag(16), "58e2fccefa7e3061367f1d57a4e7455a"),
           Expect("AES-192-GCM", EmptyTag(24), "cd33b28ac773f74ba00ed1f312572435"),
           Expect("AES-256-GCM", EmptyTag(32), "530f8afbc74536b9a963b4f1c4cb738b"),
           Expect("HMAC-MD5", HmacBegin(HashId::kMd5), "f71cda1c893766a1"),
           Expect("HMAC-SHA1", HmacBegin(HashId::kSha1), "5b333a389b4e9a23"),
           Expect("HMAC-SHA2-256", HmacBegin(HashId::kSha256), "2f02e24ae2e1fe88"),
           Expect("HMAC-SHA2-384", HmacBegin(HashId::kSha384), "ef38b92496d409ab"),
           Expect("HMAC-SHA2-512", HmacBegin(HashId::kSha512), "1a97e05c35e67276"),
       }) {
    if (!status.ok()) return status;
  }
  for (const Group group : {Group::kModp1024, Group::kModp1536, Group::kModp2048, Group::kModp3072,
                            Group::kModp4096, Group::kEcp256, Group::kEcp384}) {
    if (absl::Status status = CheckGroup(group); !status.ok()) return status;
  }
  SystemRng rng;
  return rng.U64() == rng.U64() ? absl::InternalError("self-check failed: randomness")
                                : absl::OkStatus();
}

}  // namespace

absl::Status SelfCheck() {
  try {
    return CheckAll();
  } catch (const std::exception& e) {
    return absl::InternalError(std::string("self-check failed: ") + e.what());
  }
}

}  // namespace crypto
