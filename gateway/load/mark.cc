#include "gateway/load/mark.h"

#include <cstring>

namespace gateway::load {
namespace {

constexpr uint16_t kMagic = 0xad17;
constexpr size_t kHead = 16;
constexpr uint64_t kStep = 0x9e3779b97f4a7c15;  // odd: every word of a payload is another one

// All bits of the head take part in all bits of the seed (the finish of splitmix64).
uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

uint64_t SeedOf(stack::ByteView payload) {
  return Mix(stack::Load64(payload.data()) + Mix(stack::Load64(payload.data() + 8)));
}

uint64_t LoadWord(const std::byte* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

}  // namespace

void Mark::Write(stack::ByteSpan payload) const {
  stack::Writer w(payload);
  w.U16(kMagic);
  w.U8(static_cast<uint8_t>(kind));
  w.U8(stream);
  w.U16(static_cast<uint16_t>(client >> 8));
  w.U8(static_cast<uint8_t>(client));
  w.U8(static_cast<uint8_t>(payload.size()));
  w.U32(sequence);
  w.U32(sent);
  uint64_t word = SeedOf(payload);
  std::byte* to = payload.data() + kHead;
  size_t left = payload.size() - kHead;
  for (; left >= sizeof word; to += sizeof word, left -= sizeof word, word += kStep) {
    std::memcpy(to, &word, sizeof word);
  }
  std::memcpy(to, &word, left);
}

std::optional<Mark> ReadMark(stack::ByteView payload) {
  if (payload.size() < Mark::kMinSize || stack::Load16(payload.data()) != kMagic) return {};
  const auto kind = static_cast<uint8_t>(payload[2]);
  if (kind > static_cast<uint8_t>(Mark::Kind::kHello)) return {};
  Mark mark;
  mark.kind = static_cast<Mark::Kind>(kind);
  mark.stream = static_cast<uint8_t>(payload[3]);
  mark.client = stack::Load32(&payload[4]) >> 8;
  mark.sequence = stack::Load32(&payload[8]);
  mark.sent = stack::Load32(&payload[12]);
  return mark;
}

bool IsIntact(stack::ByteView payload) {
  if (payload.size() < Mark::kMinSize || payload[7] != static_cast<std::byte>(payload.size())) {
    return false;
  }
  uint64_t word = SeedOf(payload);
  uint64_t differences = 0;
  const std::byte* at = payload.data() + kHead;
  size_t left = payload.size() - kHead;
  for (; left >= sizeof word; at += sizeof word, left -= sizeof word, word += kStep) {
    differences |= LoadWord(at) ^ word;
  }
  return differences == 0 && std::memcmp(at, &word, left) == 0;
}

}  // namespace gateway::load
