// Opens whatever comes as an ESP packet: once as it is, and once with an ICV that is made right, so
// that decryption and the padding behind it are reached. The first octet chooses the suite.
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <optional>
#include <vector>

#include "crypto/esp/open.h"

namespace {

using crypto::CipherId;
using crypto::HashId;
using stack::Bytes;
using stack::ByteSpan;
using stack::ByteView;
using stack::Drop;

const crypto::esp::Suite kSuites[] = {
    {CipherId::kAesCbc, 32, HashId::kSha1},        {CipherId::kAesCbc, 16, HashId::kSha256},
    {CipherId::kTripleDesCbc, 24, HashId::kSha1},  {CipherId::kAesGcm, 32, std::nullopt},
    {CipherId::kAesGcm, 16, std::nullopt},         {CipherId::kAesCbc, 24, HashId::kSha384},
    {CipherId::kTripleDesCbc, 24, HashId::kSha512}};
constexpr size_t kSuiteCount = std::size(kSuites);

Bytes Key(size_t size) { return Bytes(size, std::byte{0x33}); }

std::unique_ptr<crypto::esp::InboundSa> FreshSa(const crypto::esp::Suite& suite) {
  auto sa =
      crypto::esp::MakeInboundSa({.spi = {0x1000},
                                  .suite = suite,
                                  .keys = {crypto::Secret(Key(crypto::esp::CipherKeySize(suite))),
                                           crypto::Secret(Key(crypto::esp::AuthKeySize(suite)))}});
  if (!sa.ok()) std::abort();
  return *std::move(sa);
}

// What must hold whatever came: a payload lies inside its packet, and what is dropped leaves no
// trace.
void OpenAndCheck(const crypto::esp::Suite& suite, ByteSpan packet) {
  const auto sa = FreshSa(suite);
  crypto::esp::OpenJob job{.packet = packet, .sa = sa.get()};
  crypto::esp::Open({&job, 1});
  if (job.drop != Drop::kNone) {
    if (sa->counters.packets != 0 || sa->replay.highest() != 0) std::abort();
    return;
  }
  const std::byte* const end = job.payload.data() + job.payload.size();
  if (job.payload.data() < packet.data() || end > packet.data() + packet.size()) std::abort();
  if (sa->counters.packets != 1) std::abort();
}

// GCM's ICV belongs to what was encrypted: so what came is taken for the clear text of it.
void MakeIcvRight(const crypto::esp::Suite& suite, ByteSpan packet) {
  const size_t icv = crypto::esp::IcvSize(suite);
  if (packet.size() < crypto::esp::SealedSize(suite, 0)) return;
  if (suite.auth) {
    crypto::HmacKey(*suite.auth, Key(crypto::esp::AuthKeySize(suite)))
        .Sign(packet.first(packet.size() - icv), packet.last(icv));
    return;
  }
  const auto parts = crypto::esp::CutUp(suite, packet);
  auto cipher = crypto::GcmCipher::Create(crypto::Direction::kEncrypt, Key(suite.key_octets));
  Bytes nonce = Key(crypto::esp::kGcmSaltSize);
  nonce.insert(nonce.end(), parts.iv.begin(), parts.iv.end());
  if (!cipher.ok() || !cipher->Seal(nonce, parts.header, parts.ciphered, parts.icv)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const crypto::esp::Suite& suite = kSuites[data[0] % kSuiteCount];
  const Bytes packet = stack::ToBytes(stack::AsBytes(data + 1, size - 1));
  Bytes as_it_is = packet, proved = packet;
  OpenAndCheck(suite, as_it_is);
  MakeIcvRight(suite, proved);
  OpenAndCheck(suite, proved);
  return 0;
}
