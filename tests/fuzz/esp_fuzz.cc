// Opens whatever comes as an ESP packet: once as it is, and once with an ICV that is made right, so
// that decryption and the padding behind it are reached; alone by one engine, and in a batch of its
// own kind by the other: they must agree. The first octet chooses the suite.
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <optional>
#include <vector>

#include "crypto/esp/open.h"
#include "crypto/prim/mac.h"
#include "crypto/prim/rng.h"

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

using crypto::esp::Engine;
using crypto::esp::EngineId;

std::unique_ptr<crypto::esp::InboundSa> FreshSa(const crypto::esp::Suite& suite,
                                                const Engine& engine) {
  auto sa =
      crypto::esp::MakeInboundSa({.spi = {0x1000},
                                  .suite = suite,
                                  .keys = {crypto::Secret(Key(crypto::esp::CipherKeySize(suite))),
                                           crypto::Secret(Key(crypto::esp::AuthKeySize(suite)))}},
                                 engine);
  if (!sa.ok()) std::abort();
  return *std::move(sa);
}

// What must hold whatever came: a payload lies inside its packet, and what is dropped leaves no
// trace. Of `copies` of one packet in one batch, all but the first are replays.
Drop OpenAndCheck(const crypto::esp::Suite& suite, Engine& engine, const Bytes& packet,
                  size_t copies) {
  const auto sa = FreshSa(suite, engine);
  std::vector<Bytes> packets(copies, packet);
  std::vector<crypto::esp::OpenJob> jobs;
  for (Bytes& copy : packets) jobs.push_back({.packet = copy, .sa = sa.get()});
  crypto::esp::Open(engine, jobs);
  const crypto::esp::OpenJob& job = jobs[0];
  if (job.drop != Drop::kNone) {
    if (sa->counters.packets != 0 || sa->replay.highest() != 0) std::abort();
    return job.drop;
  }
  const std::byte* const begin = packets[0].data();
  const std::byte* const end = job.payload.data() + job.payload.size();
  if (job.payload.data() < begin || end > begin + packet.size()) std::abort();
  if (sa->counters.packets != 1) std::abort();
  return Drop::kNone;
}

void OpenByBoth(const crypto::esp::Suite& suite, const Bytes& packet) {
  static crypto::SystemRng rng;
  static const auto botan = crypto::esp::MakeEngine(EngineId::kBotan, rng);
  static const auto lanes = crypto::esp::MakeEngine(EngineId::kIpsecMb, rng);
  if (OpenAndCheck(suite, *botan, packet, 1) != OpenAndCheck(suite, *lanes, packet, 10)) {
    std::abort();
  }
}

// GCM's ICV belongs to what was encrypted: so what came is taken for the clear text of it.
void MakeIcvRight(const crypto::esp::Suite& suite, ByteSpan packet) {
  const size_t icv = crypto::esp::IcvSize(suite);
  if (packet.size() < crypto::esp::SealedSize(suite, 0)) return;
  if (suite.auth) {
    crypto::HmacFunction(*suite.auth)
        .Sign(Key(crypto::esp::AuthKeySize(suite)), packet.first(packet.size() - icv),
              packet.last(icv));
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
  Bytes proved = packet;
  OpenByBoth(suite, packet);
  MakeIcvRight(suite, proved);
  OpenByBoth(suite, proved);
  return 0;
}
