// Security association database of one shard: SPI -> inbound SA (RFC 4301 section 4.4.2).
//
// The low 8 bits of every SPI we give out are a bucket number. Whoever receives an ESP packet reads
// the bucket off it and knows the shard without asking anybody; the shard then finds the SA here.
// Outbound SAs need no table: their subscriber holds them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "crypto/esp/sa.h"
#include "stack/base/rng.h"

namespace crypto::esp {

class Sad {
 public:
  // Reserves an SPI of `bucket`, random in its upper 24 bits, unlike every other one reserved or in
  // use here and never below 256. It stays reserved until Insert() or Remove(). nullopt: the bucket
  // is so full that no free one was found in a bounded number of draws.
  std::optional<Spi> Allocate(uint8_t bucket, stack::Rng& rng);
  // Takes over `sa` under its own SPI, which Allocate() gave. False, and `sa` dies, if an SA
  // already stands there.
  bool Insert(std::unique_ptr<InboundSa> sa);
  // nullptr if there is none, or if the SPI is only reserved. Good until the SA is removed.
  InboundSa* Find(Spi spi) const {
    const auto it = by_spi_.find(spi);
    return it == by_spi_.end() ? nullptr : it->second.get();
  }
  // Takes an SA out, for another shard's database; null if there is none.
  std::unique_ptr<InboundSa> Take(Spi spi);
  // Ends an SA or a reservation; false if there is neither.
  bool Remove(Spi spi) { return by_spi_.erase(spi) != 0; }

  size_t size() const { return by_spi_.size(); }  // SAs and reservations

 private:
  absl::flat_hash_map<Spi, std::unique_ptr<InboundSa>> by_spi_;  // null: reserved
};

}  // namespace crypto::esp
