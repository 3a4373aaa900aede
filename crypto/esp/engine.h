// Who computes: the seam between ESP the protocol (open.h, seal.h) and the algorithms. An engine is
// given the packets of a whole batch, of any SAs and suites, cut into their parts; it sees bytes
// and keys, and nothing of sequence numbers, padding or lifetimes.
//
//   botan      one packet after the other; on every machine, and the measure of the others
//   ipsec-mb   many packets at once in the lanes of AVX-512 or AVX2: what CBC gains most from,
//              because within a packet every block waits for the one before
//
// Both give the same octets for the same keys and IVs. A batch is all there is: an engine never
// keeps a packet back to wait for more.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "crypto/esp/keys.h"
#include "crypto/esp/suite.h"
#include "crypto/prim/iv_source.h"
#include "stack/base/rng.h"

namespace crypto::esp {

enum class EngineId : uint8_t { kBotan, kIpsecMb };
std::string_view NameOf(EngineId id);  // as the configuration calls it

// The most packets an engine is given at once; Open() and Seal() cut longer batches.
inline constexpr size_t kEngineBatch = 64;

// An ESP packet as the algorithms see it; all of it lies in one piece.
struct Parts {
  ByteView header;         // SPI and sequence number
  ByteSpan iv;             // IvSize()
  ByteSpan ciphered;       // payload, padding and trailer: one or more whole units of Alignment()
  ByteSpan icv;            // IcvSize()
  ByteView authenticated;  // header, iv and ciphered
};
// `packet` has at least the octets of SealedSize(suite, 0), and a whole number of units.
Parts CutUp(const Suite& suite, ByteSpan packet);

// One packet's share of a batch. Keys of several may be the same ones.
struct Work {
  Parts parts;
  const Suite* suite;
  const SaKeys* keys;  // made for this kind of engine and for this direction
  ByteSpan clear;      // opening: where the clear text goes; all of `ciphered`, or apart from it
  bool done;           // out
};

// One thread at a time; SAs made with one engine work with every other of its kind.
class Engine {
 public:
  explicit Engine(stack::Rng& rng) : ivs_(rng) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  virtual EngineId id() const = 0;

  // At most kEngineBatch. Neither allocates.
  // Encrypts `ciphered` in place under the IV that stands in `iv`, and writes the ICV. `done` is
  // false only if the keys are another engine's.
  virtual void Seal(std::span<Work> batch) = 0;
  // `done` says whether the ICV is right, found in constant time: then `clear` is clear text.
  // Otherwise it is rubbish; nothing else has changed, and no other packet of the batch is
  // affected.
  virtual void Open(std::span<Work> batch) = 0;

  // Octets of what the engine wants made of an SA's keys ahead; 0: nothing.
  virtual size_t ScheduleSize(const Suite& suite) const = 0;
  // Makes it: `to` has that size and lies as malloc aligns.
  virtual void Expand(const Suite& suite, const SaKeys& keys, Direction direction,
                      ByteSpan to) const = 0;

  // The IVs of CBC, and room for a batch: both belong to Open() and Seal().
  IvSource& ivs() { return ivs_; }
  std::array<Work, kEngineBatch>& desk() { return desk_; }

 private:
  IvSource ivs_;
  std::array<Work, kEngineBatch> desk_;
};

// OK if this build and this CPU have the engine; otherwise the reason, in words for people.
absl::Status CheckEngine(EngineId id);

// Needs CheckEngine(id).ok(), or it will be Botan's. `rng` gives the key of the IVs.
std::unique_ptr<Engine> MakeEngine(EngineId id, stack::Rng& rng);

}  // namespace crypto::esp
