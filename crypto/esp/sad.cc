#include "crypto/esp/sad.h"

#include <utility>

namespace crypto::esp {
namespace {

// A bucket has 2^24 - 1 SPIs; with a million of them taken, 64 misses in a row do not happen.
constexpr int kDraws = 64;

}  // namespace

std::optional<Spi> Sad::Allocate(uint8_t bucket, stack::Rng& rng) {
  for (int i = 0; i < kDraws; ++i) {
    const Spi spi{(rng.U32() & ~uint32_t{0xff}) | bucket};
    if (spi.value >= kMinSpi && by_spi_.try_emplace(spi, nullptr).second) return spi;
  }
  return std::nullopt;
}

bool Sad::Insert(std::unique_ptr<InboundSa> sa) {
  std::unique_ptr<InboundSa>& place = by_spi_[sa->spi];
  if (place != nullptr) return false;
  place = std::move(sa);
  return true;
}

std::unique_ptr<InboundSa> Sad::Take(Spi spi) {
  const auto it = by_spi_.find(spi);
  if (it == by_spi_.end()) return nullptr;
  std::unique_ptr<InboundSa> sa = std::move(it->second);
  by_spi_.erase(it);
  return sa;
}

}  // namespace crypto::esp
