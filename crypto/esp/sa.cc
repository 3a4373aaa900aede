#include "crypto/esp/sa.h"

#include <utility>

namespace crypto::esp {
namespace {

absl::Status Check(Spi spi) {
  return spi.value < kMinSpi ? absl::InvalidArgumentError("reserved SPI") : absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<InboundSa>> MakeInboundSa(SaParameters parameters,
                                                         const Engine& engine) {
  if (absl::Status status = Check(parameters.spi); !status.ok()) return status;
  auto keys = SaKeys::Create(parameters.suite, parameters.keys, Direction::kDecrypt, engine);
  if (!keys.ok()) return keys.status();
  return std::unique_ptr<InboundSa>(new InboundSa{
      .spi = parameters.spi,
      .suite = parameters.suite,
      .peer = parameters.peer,
      .hard_octets = parameters.hard_octets,
      .counters = {},
      .replay = ReplayWindow(parameters.replay_window),
      .keys = *std::move(keys),
  });
}

absl::StatusOr<std::unique_ptr<OutboundSa>> MakeOutboundSa(SaParameters parameters,
                                                           const Engine& engine) {
  if (absl::Status status = Check(parameters.spi); !status.ok()) return status;
  auto keys = SaKeys::Create(parameters.suite, parameters.keys, Direction::kEncrypt, engine);
  if (!keys.ok()) return keys.status();
  return std::unique_ptr<OutboundSa>(new OutboundSa{
      .spi = parameters.spi,
      .suite = parameters.suite,
      .peer = parameters.peer,
      .hard_octets = parameters.hard_octets,
      .counters = {},
      .sequence = 0,
      .next_iv = 0,
      .keys = *std::move(keys),
  });
}

}  // namespace crypto::esp
