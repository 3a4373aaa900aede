#include "gateway/memory.h"

#include <string>

#include "gateway/shard/mailbox.h"
#include "gateway/shard/messages.h"
#include "gateway/shard/tables.h"

namespace gateway {
namespace {

constexpr uint64_t kSmallFrame = 2048;       // a slot of the small ring, or of the pool
constexpr uint64_t kLargeFrame = 68 * 1024;  // of the large ones
// Records of NAT with their places in the indices, which grow in powers of two.
constexpr uint64_t kMapping = 160, kFlow = 160;
// An idle session from its phase 1 to its PPP link: tests/gateway/idle_test.cc measures it.
constexpr uint64_t kSession = 16 * 1024;
// A phase 1 before authentication: keys, the messages to be repeated, its places in tables.
constexpr uint64_t kHalfOpen = 6 * 1024;

uint64_t Square(uint64_t n) { return n * n; }

std::string MiB(uint64_t octets) { return std::to_string((octets + (1 << 20) - 1) >> 20) + " MiB"; }

}  // namespace

MemoryNeed EstimateMemory(const shard::Settings& settings, const io::PacketOptions& rings,
                          uint32_t sessions, size_t writers) {
  const uint64_t shards = settings.shards;
  MemoryNeed need;
  need.rings =
      settings.interfaces.size() * shards *
      (rings.small_slots * kSmallFrame + rings.large_slots * kLargeFrame + rings.send_buffer);
  need.pools = shards * (shard::kSmallSlots * kSmallFrame + shard::kLargeSlots * kLargeFrame);
  const shard::MailboxSizes sizes;
  need.mailboxes = Square(shards) * sizes.packet_bytes +
                   writers * shards * sizes.control * sizeof(shard::Control);
  need.nat = shards * (uint64_t{settings.nat.max_mappings} * kMapping +
                       uint64_t{settings.nat.max_flows} * kFlow);
  need.session = kSession;
  need.sessions = uint64_t{sessions} * kSession;
  need.half_open = shards * settings.ike.max_half_open * kHalfOpen;
  return need;
}

absl::Status CheckMemory(const MemoryNeed& need, uint64_t machine) {
  if (need.AtStart() <= machine) return absl::OkStatus();
  return absl::OutOfRangeError("this configuration needs " + MiB(need.AtStart()) +
                               " of memory before the first client comes (packet rings " +
                               MiB(need.rings) + ", packet buffers " + MiB(need.pools) +
                               ", mailboxes " + MiB(need.mailboxes) + "), and this machine has " +
                               MiB(machine) + ": lower shards");
}

}  // namespace gateway
