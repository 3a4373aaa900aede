// CBC goes through the lanes: a burst of jobs, each with its own keys, is submitted and flushed in
// one call of ours. GCM has no need of company, since its blocks do not wait for each other. A few
// packets of one suite do not fill enough lanes to be worth it, and are Botan's.
#include "crypto/esp/ipsec_mb_engine.h"

#include <intel-ipsec-mb.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "crypto/esp/botan_engine.h"

namespace crypto::esp {
namespace {

struct FreeManager {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, FreeManager>;

Manager MakeManager() {
  Manager manager(alloc_mb_mgr(0));
  if (manager != nullptr) init_mb_mgr_auto(manager.get(), nullptr);
  return manager;
}

// ---- When the lanes are worth it --------------------------------------------------------------

// From how many packets of one suite in a batch on. Short ones are those whose fixed cost in
// the lanes counts for more than their blocks.
struct Worth {
  size_t seal_short, seal_long, open_short, open_long;
};
constexpr size_t kLong = 384;  // octets

// Measured on Zen 5 with perf/esp_bench, which can compare anew.
constexpr Worth kWorthSha1{4, 2, 5, 4};
constexpr Worth kWorthSha256{6, 4, 8, 7};
constexpr Worth kWorthSha512{2, 2, 2, 2};
constexpr Worth kWorthTripleDes{7, 6, 11, 10};

// The library counts a lane's octets in 16 bits; nothing that fits into an IPv4 packet is longer.
constexpr size_t kMostOctets = 0xff00;

// ---- What is made of the keys of an SA ahead --------------------------------------------------
//
//   CBC   | the cipher's round keys | HMAC's inner state | its outer state |
//   GCM   | up to 48 octets, so that the rest lies at a multiple of 64 | the library's key data |

constexpr size_t kGcmAlignment = alignof(gcm_key_data);

constexpr size_t RoundKeysSize(const Suite& suite) {
  if (suite.cipher == CipherId::kTripleDesCbc) return 3 * IMB_DES_KEY_SCHED_SIZE;
  return IMB_AES_BLOCK_SIZE * (suite.key_octets / 4 + 7);
}
// Of SHA-1 and SHA-256: 20 and 32 octets; of the other two: 64.
constexpr size_t StateSize(const Suite& suite) {
  return *suite.auth == HashId::kSha1 || *suite.auth == HashId::kSha256 ? 32 : 64;
}

// The key data's place within a schedule.
void* GcmPlace(const std::byte* schedule) {
  void* place = const_cast<std::byte*>(schedule);
  size_t room = sizeof(gcm_key_data) + kGcmAlignment;
  return std::align(kGcmAlignment, sizeof(gcm_key_data), place, room);
}

IMB_HASH_ALG AlgorithmOf(HashId hash) {
  switch (hash) {
    case HashId::kSha256:
      return IMB_AUTH_HMAC_SHA_256;
    case HashId::kSha384:
      return IMB_AUTH_HMAC_SHA_384;
    case HashId::kSha512:
      return IMB_AUTH_HMAC_SHA_512;
    default:
      return IMB_AUTH_HMAC_SHA_1;
  }
}

class IpsecMbEngine final : public Engine {
 public:
  IpsecMbEngine(stack::Rng& rng, Manager manager)
      : Engine(rng),
        manager_(std::move(manager)),
        has_avx512_(manager_->used_arch == IMB_ARCH_AVX512),
        botan_(rng) {}

  EngineId id() const override { return EngineId::kIpsecMb; }
  void Seal(std::span<Work> batch) override { Compute(batch, Direction::kEncrypt); }
  void Open(std::span<Work> batch) override { Compute(batch, Direction::kDecrypt); }
  size_t ScheduleSize(const Suite& suite) const override;
  void Expand(const Suite& suite, const SaKeys& keys, Direction direction,
              ByteSpan to) const override;

 private:
  // The packets of one cipher and hash in a batch.
  struct Group {
    size_t count = 0, longest = 0;
    size_t for_lanes = 0;
  };
  static constexpr size_t kCiphers = 4, kHashes = 4;
  static size_t GroupOf(const Suite& suite);
  size_t ForLanes(const Group& group, const Suite& suite, Direction direction) const;

  void Compute(std::span<Work> batch, Direction direction);
  bool MayTakeLane(const Work& work) const;
  void ComputeByBotan(Work& work, Direction direction);
  void ComputeGcm(Work& work, Direction direction);
  void RunLanes(std::span<Work* const> chosen, Direction direction);
  void Fill(IMB_JOB& job, Work& work, size_t lane, Direction direction);
  static void Finish(const IMB_JOB& job);

  void ExpandCipher(const Suite& suite, ByteView key, Direction direction, ByteSpan to) const;
  void ExpandHmac(HashId hash, ByteView key, ByteSpan inner, ByteSpan outer) const;
  void ExpandGcm(ByteView key, void* to) const;

  const Manager manager_;
  const bool has_avx512_;  // else AVX2: half the lanes, and none for 3DES
  BotanEngine botan_;
  // By the place in a burst: where opened packets' ICVs are computed to, and the three keys of
  // 3DES.
  std::array<std::array<std::byte, kMaxHashSize>, kEngineBatch> icvs_;
  std::array<std::array<const void*, 3>, kEngineBatch> triple_des_;
};

// ---- Keys -------------------------------------------------------------------------------------

size_t IpsecMbEngine::ScheduleSize(const Suite& suite) const {
  if (IsGcm(suite)) return sizeof(gcm_key_data) + kGcmAlignment - alignof(std::max_align_t);
  return RoundKeysSize(suite) + 2 * StateSize(suite);
}

void IpsecMbEngine::Expand(const Suite& suite, const SaKeys& keys, Direction direction,
                           ByteSpan to) const {
  if (IsGcm(suite)) return ExpandGcm(keys.cipher(), GcmPlace(to.data()));
  const size_t state = StateSize(suite);
  const ByteSpan states = to.subspan(RoundKeysSize(suite));
  ExpandCipher(suite, keys.cipher(), direction, to.first(RoundKeysSize(suite)));
  ExpandHmac(*suite.auth, keys.auth(), states.first(state), states.subspan(state));
}

// The library makes the round keys of both directions; one SA needs one of them.
void IpsecMbEngine::ExpandCipher(const Suite& suite, ByteView key, Direction direction,
                                 ByteSpan to) const {
  if (suite.cipher == CipherId::kTripleDesCbc) {
    std::array<uint64_t, IMB_DES_KEY_SCHED_SIZE / 8> rounds;
    for (size_t i = 0; i < 3; ++i) {
      IMB_DES_KEYSCHED(manager_, rounds.data(), key.data() + i * IMB_DES_BLOCK_SIZE);
      std::memcpy(to.data() + i * sizeof(rounds), rounds.data(), sizeof(rounds));
    }
    return Scrub(std::as_writable_bytes(std::span(rounds)));
  }
  alignas(16) std::array<std::byte, 15 * IMB_AES_BLOCK_SIZE> other;
  std::byte* const enc = direction == Direction::kEncrypt ? to.data() : other.data();
  std::byte* const dec = direction == Direction::kEncrypt ? other.data() : to.data();
  if (suite.key_octets == 16) {
    IMB_AES_KEYEXP_128(manager_, key.data(), enc, dec);
  } else if (suite.key_octets == 24) {
    IMB_AES_KEYEXP_192(manager_, key.data(), enc, dec);
  } else {
    IMB_AES_KEYEXP_256(manager_, key.data(), enc, dec);
  }
  Scrub(other);
}

// The hash's state after the key under either padding of RFC 2104.
void IpsecMbEngine::ExpandHmac(HashId hash, ByteView key, ByteSpan inner, ByteSpan outer) const {
  const std::pair<std::byte, ByteSpan> paddings[] = {{std::byte{0x36}, inner},
                                                     {std::byte{0x5c}, outer}};
  for (const auto& [padding, state] : paddings) {
    std::array<std::byte, IMB_SHA_512_BLOCK_SIZE> block;
    block.fill(padding);
    for (size_t i = 0; i < key.size(); ++i) block[i] ^= key[i];
    if (hash == HashId::kSha1) {
      IMB_SHA1_ONE_BLOCK(manager_, block.data(), state.data());
    } else if (hash == HashId::kSha256) {
      IMB_SHA256_ONE_BLOCK(manager_, block.data(), state.data());
    } else if (hash == HashId::kSha384) {
      IMB_SHA384_ONE_BLOCK(manager_, block.data(), state.data());
    } else {
      IMB_SHA512_ONE_BLOCK(manager_, block.data(), state.data());
    }
    Scrub(block);
  }
}

void IpsecMbEngine::ExpandGcm(ByteView key, void* to) const {
  auto* const data = static_cast<gcm_key_data*>(to);
  if (key.size() == 16) {
    IMB_AES128_GCM_PRE(manager_, key.data(), data);
  } else if (key.size() == 24) {
    IMB_AES192_GCM_PRE(manager_, key.data(), data);
  } else {
    IMB_AES256_GCM_PRE(manager_, key.data(), data);
  }
}

// ---- A batch ----------------------------------------------------------------------------------

size_t IpsecMbEngine::GroupOf(const Suite& suite) {
  const size_t cipher = suite.cipher == CipherId::kTripleDesCbc ? 0 : suite.key_octets / 8 - 1;
  return cipher * kHashes + static_cast<size_t>(*suite.auth) - static_cast<size_t>(HashId::kSha1);
}

// Full rounds of the lanes, and what is left over if that is enough to be worth another one.
size_t IpsecMbEngine::ForLanes(const Group& group, const Suite& suite, Direction direction) const {
  const bool triple_des = suite.cipher == CipherId::kTripleDesCbc;
  if (triple_des && !has_avx512_) return 0;
  const Worth& worth = triple_des                       ? kWorthTripleDes
                       : *suite.auth == HashId::kSha1   ? kWorthSha1
                       : *suite.auth == HashId::kSha256 ? kWorthSha256
                                                        : kWorthSha512;
  const bool is_long = group.longest >= kLong;
  const size_t from = direction == Direction::kEncrypt
                          ? (is_long ? worth.seal_long : worth.seal_short)
                          : (is_long ? worth.open_long : worth.open_short);
  const size_t lanes = has_avx512_ ? 16 : 8;
  const size_t left_over = group.count % lanes;
  return left_over < from ? group.count - left_over : group.count;
}

bool IpsecMbEngine::MayTakeLane(const Work& work) const {
  return work.keys->schedule().size() == ScheduleSize(*work.suite) &&
         work.parts.authenticated.size() <= kMostOctets;
}

void IpsecMbEngine::Compute(std::span<Work> batch, Direction direction) {
  std::array<Group, kCiphers * kHashes> groups;
  for (const Work& work : batch) {
    if (IsGcm(*work.suite) || !MayTakeLane(work)) continue;
    Group& group = groups[GroupOf(*work.suite)];
    ++group.count;
    group.longest = std::max(group.longest, work.parts.ciphered.size());
    group.for_lanes = ForLanes(group, *work.suite, direction);
  }
  std::array<Work*, kEngineBatch> chosen;
  size_t count = 0;
  for (Work& work : batch) {
    if (IsGcm(*work.suite)) {
      ComputeGcm(work, direction);
    } else if (Group& group = groups[GroupOf(*work.suite)];
               group.for_lanes > 0 && MayTakeLane(work)) {
      --group.for_lanes;
      chosen[count++] = &work;
    } else {
      ComputeByBotan(work, direction);
    }
  }
  if (count > 0) RunLanes({chosen.data(), count}, direction);
}

void IpsecMbEngine::ComputeByBotan(Work& work, Direction direction) {
  work.done = direction == Direction::kEncrypt ? botan_.SealOne(work) : botan_.OpenOne(work);
}

// ---- GCM --------------------------------------------------------------------------------------

void IpsecMbEngine::ComputeGcm(Work& work, Direction direction) {
  if (work.keys->schedule().empty()) return ComputeByBotan(work, direction);
  const bool seals = direction == Direction::kEncrypt;
  const size_t key = work.suite->key_octets;
  const aes_gcm_enc_dec_t compute =
      key == 16   ? (seals ? manager_->gcm128_enc : manager_->gcm128_dec)
      : key == 24 ? (seals ? manager_->gcm192_enc : manager_->gcm192_dec)
                  : (seals ? manager_->gcm256_enc : manager_->gcm256_dec);
  const Parts& parts = work.parts;
  std::array<std::byte, kGcmNonceSize> nonce;  // RFC 4106 section 4
  const ByteView salt = work.keys->salt();
  std::copy(parts.iv.begin(), parts.iv.end(), std::copy(salt.begin(), salt.end(), nonce.begin()));
  std::array<std::byte, kGcmTagSize> tag;
  gcm_context_data context;
  compute(static_cast<const gcm_key_data*>(GcmPlace(work.keys->schedule().data())), &context,
          stack::AsU8(seals ? parts.ciphered : work.clear), stack::AsU8(parts.ciphered),
          parts.ciphered.size(), stack::AsU8(ByteSpan(nonce)), stack::AsU8(parts.header),
          parts.header.size(), stack::AsU8(ByteSpan(tag)), tag.size());
  if (seals) {
    std::copy(tag.begin(), tag.end(), parts.icv.begin());
    work.done = true;
  } else {
    work.done = ConstantTimeEqual(tag, parts.icv);
  }
}

// ---- CBC and HMAC in lanes --------------------------------------------------------------------

// Nothing is under way before and nothing afterwards, so the library has room for the burst.
void IpsecMbEngine::RunLanes(std::span<Work* const> chosen, Direction direction) {
  std::array<IMB_JOB*, kEngineBatch> jobs;
  const uint32_t wanted = static_cast<uint32_t>(chosen.size());
  const uint32_t count = IMB_GET_NEXT_BURST(manager_.get(), wanted, jobs.data());
  for (Work* work : chosen) work->done = false;
  for (size_t i = 0; i < count; ++i) Fill(*jobs[i], *chosen[i], i, direction);
  uint32_t finished = 0;
  // Unchecked: lengths and pointers are right by construction.
  uint32_t now = IMB_SUBMIT_BURST_NOCHECK(manager_.get(), count, jobs.data());
  do {
    for (uint32_t i = 0; i < now; ++i) Finish(*jobs[i]);
    finished += now;
    now = finished < count ? IMB_FLUSH_BURST(manager_.get(), count - finished, jobs.data()) : 0;
  } while (now > 0);
}

// Opening checks and decrypts in one go: a forged packet is decrypted to rubbish, which costs less
// than to wait for the verdict.
void IpsecMbEngine::Fill(IMB_JOB& job, Work& work, size_t lane, Direction direction) {
  const Suite& suite = *work.suite;
  const Parts& parts = work.parts;
  const bool seals = direction == Direction::kEncrypt;
  const uint8_t* const schedule = stack::AsU8(work.keys->schedule());
  job.cipher_mode = IMB_CIPHER_CBC;
  job.enc_keys = job.dec_keys = schedule;
  if (suite.cipher == CipherId::kTripleDesCbc) {
    for (size_t i = 0; i < 3; ++i) {
      triple_des_[lane][i] = schedule + i * IMB_DES_KEY_SCHED_SIZE;
    }
    job.cipher_mode = IMB_CIPHER_DES3;
    job.enc_keys = job.dec_keys = triple_des_[lane].data();
  }
  job.key_len_in_bytes = suite.key_octets;
  job.cipher_direction = seals ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
  job.chain_order = seals ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
  job.src = stack::AsU8(parts.authenticated);
  job.dst = stack::AsU8(seals ? parts.ciphered : work.clear);
  job.cipher_start_src_offset_in_bytes = parts.header.size() + parts.iv.size();
  job.msg_len_to_cipher_in_bytes = parts.ciphered.size();
  job.hash_start_src_offset_in_bytes = 0;
  job.msg_len_to_hash_in_bytes = parts.authenticated.size();
  job.iv = stack::AsU8(parts.iv);
  job.iv_len_in_bytes = parts.iv.size();
  job.hash_alg = AlgorithmOf(*suite.auth);
  job.auth_tag_output = seals ? stack::AsU8(parts.icv) : stack::AsU8(ByteSpan(icvs_[lane]));
  job.auth_tag_output_len_in_bytes = parts.icv.size();
  job.u.HMAC._hashed_auth_key_xor_ipad = schedule + RoundKeysSize(suite);
  job.u.HMAC._hashed_auth_key_xor_opad = schedule + RoundKeysSize(suite) + StateSize(suite);
  job.user_data = &work;
}

void IpsecMbEngine::Finish(const IMB_JOB& job) {
  Work& work = *static_cast<Work*>(job.user_data);
  work.done = job.status == IMB_STATUS_COMPLETED;
  if (job.cipher_direction == IMB_DIR_ENCRYPT) return;
  const ByteView computed =
      stack::AsBytes(job.auth_tag_output, static_cast<size_t>(job.auth_tag_output_len_in_bytes));
  work.done = work.done && ConstantTimeEqual(computed, work.parts.icv);
}

}  // namespace

absl::Status CheckIpsecMb() {
  const Manager manager = MakeManager();
  if (manager == nullptr) return absl::ResourceExhaustedError("no memory for libipsec-mb");
  const auto arch = static_cast<IMB_ARCH>(manager->used_arch);
  if (arch == IMB_ARCH_AVX512 || arch == IMB_ARCH_AVX2) return absl::OkStatus();
  return absl::UnimplementedError("this CPU has no AVX2");
}

std::unique_ptr<Engine> MakeIpsecMbEngine(stack::Rng& rng) {
  return std::make_unique<IpsecMbEngine>(rng, MakeManager());
}

}  // namespace crypto::esp
