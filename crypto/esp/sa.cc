#include "crypto/esp/sa.h"

#include <utility>

namespace crypto::esp {
namespace {

absl::Status Check(Spi spi) {
  return spi.value < kMinSpi ? absl::InvalidArgumentError("reserved SPI") : absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<InboundSa>> MakeInboundSa(SaParameters parameters) {
  if (absl::Status status = Check(parameters.spi); !status.ok()) return status;
  auto transform = InboundTransform::Create(parameters.suite, parameters.keys);
  if (!transform.ok()) return transform.status();
  return std::unique_ptr<InboundSa>(new InboundSa{
      .spi = parameters.spi,
      .suite = parameters.suite,
      .peer = parameters.peer,
      .hard_octets = parameters.hard_octets,
      .counters = {},
      .replay = ReplayWindow(parameters.replay_window),
      .transform = *std::move(transform),
  });
}

absl::StatusOr<std::unique_ptr<OutboundSa>> MakeOutboundSa(SaParameters parameters,
                                                           stack::Rng& rng) {
  if (absl::Status status = Check(parameters.spi); !status.ok()) return status;
  auto transform = OutboundTransform::Create(parameters.suite, parameters.keys, rng);
  if (!transform.ok()) return transform.status();
  return std::unique_ptr<OutboundSa>(new OutboundSa{
      .spi = parameters.spi,
      .suite = parameters.suite,
      .peer = parameters.peer,
      .hard_octets = parameters.hard_octets,
      .counters = {},
      .sequence = 0,
      .transform = *std::move(transform),
  });
}

}  // namespace crypto::esp
