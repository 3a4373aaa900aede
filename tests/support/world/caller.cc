#include "tests/support/world/caller.h"

#include <algorithm>

#include "stack/base/checksum.h"
#include "stack/wire/ip4.h"

namespace test {
namespace {

using stack::ByteSpan;
using stack::ByteView;
using stack::Ip4;
using stack::wire::IpProtocol;
namespace load = gateway::load;

constexpr size_t kIpHeader = 20;

Ip4 SourceOf(ByteView packet) { return {stack::Load32(&packet[12])}; }
IpProtocol ProtocolOf(ByteView packet) { return static_cast<IpProtocol>(packet[9]); }

// Another address and port at `ip_at` and `port_at` of a UDP packet, checksums kept.
void Rewrite(ByteSpan packet, size_t ip_at, size_t port_at, stack::Endpoint to) {
  std::byte* const checksum = &packet[kIpHeader + 6];
  const Ip4 old_ip{stack::Load32(&packet[ip_at])};
  if (const uint16_t sum = stack::Load16(checksum); sum != 0) {
    const uint16_t moved = stack::Update32(sum, old_ip.value, to.ip.value);
    stack::Store16(checksum, stack::Update16(moved, stack::Load16(&packet[port_at]), to.port));
  }
  stack::Store16(&packet[port_at], to.port);
  ip_at == 12 ? stack::wire::SetSource(packet, to.ip) : stack::wire::SetDestination(packet, to.ip);
}

}  // namespace

bool NatBox::Outbound(Caller& from, ByteSpan packet) {
  if (ProtocolOf(packet) != IpProtocol::kUdp) return false;
  const Inside inside{&from, {SourceOf(packet), stack::Load16(&packet[kIpHeader])}};
  const auto [it, is_new] = out_.try_emplace(inside, next_port_);
  if (is_new) in_[next_port_++] = inside;
  Rewrite(packet, 12, kIpHeader, {external_, it->second});
  return true;
}

Caller* NatBox::Inbound(ByteSpan packet) {
  if (ProtocolOf(packet) != IpProtocol::kUdp) return nullptr;
  const auto it = in_.find(stack::Load16(&packet[kIpHeader + 2]));
  if (it == in_.end()) return nullptr;
  Rewrite(packet, 16, kIpHeader + 2, it->second.second);
  return it->second.first;
}

void NatBox::Forget(const Caller& caller) {
  std::erase_if(out_, [&caller](const auto& entry) { return entry.first.first == &caller; });
  std::erase_if(in_, [&caller](const auto& entry) { return entry.second.first == &caller; });
}

bool Caller::Saw(load::Milestone what) const {
  return std::any_of(notes.begin(), notes.end(), [what](const Note& n) { return n.what == what; });
}

std::string Caller::Story() const {
  std::string story;
  for (const Note& note : notes) {
    if (!story.empty()) story += ' ';
    story += load::NameOf(note.what);
  }
  return story;
}

}  // namespace test
