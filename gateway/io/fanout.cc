#include "gateway/io/fanout.h"

#include <linux/filter.h>

#include <array>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace gateway::io {
namespace {

// Places in the program that are jumped to.
enum class Label : uint8_t {
  kClient,
  kOurs,
  kEsp,
  kUdp,
  kTcp,
  kIcmp,
  kIke500,
  kNatT,
  kMarker,
  kPort,
  kIdentifier,
  kEchoReply,
  kIcmpError,
  kQuotedPort,
  kQuotedIcmp,
  kBucket,
  kBig,
  kZero,
  kCount
};

// Classic BPF has conditional jumps of at most 255 instructions, but JA reaches everywhere: so each
// test here is a pair, a conditional jump over one JA. There are no jumps back:
// a label is used before it is placed.
class Assembler {
 public:
  void Load(uint16_t code, uint32_t k) { Emit(BPF_LD | code, k); }
  void Alu(uint16_t operation, uint32_t k) { Emit(BPF_ALU | BPF_K | operation, k); }
  void Emit(int code, uint32_t k = 0) { Put(code, 0, 0, k); }

  void If(uint16_t test, uint32_t k, Label then) {
    Put(BPF_JMP | BPF_K | test, 0, 1, k);
    Go(then);
  }
  void IfNot(uint16_t test, uint32_t k, Label otherwise) {
    Put(BPF_JMP | BPF_K | test, 1, 0, k);
    Go(otherwise);
  }
  void IfWithin(uint32_t first, uint32_t last, Label then) {
    Put(BPF_JMP | BPF_K | BPF_JGE, 0, 2, first);
    Put(BPF_JMP | BPF_K | BPF_JGT, 1, 0, last);
    Go(then);
  }
  void Go(Label to) {
    jumps_.push_back({code_.size(), to});
    Emit(BPF_JMP | BPF_JA);
  }
  void Place(Label label) { places_[static_cast<size_t>(label)] = code_.size(); }

  std::vector<BpfInstruction> Finish() && {
    for (const Jump& jump : jumps_) {
      const size_t to = places_[static_cast<size_t>(jump.to)];
      code_[jump.at].k = static_cast<uint32_t>(to - jump.at - 1);
    }
    return std::move(code_);
  }

 private:
  struct Jump {
    size_t at;
    Label to;
  };
  void Put(int code, uint8_t jump_true, uint8_t jump_false, uint32_t k) {
    code_.push_back({static_cast<uint16_t>(code), jump_true, jump_false, k});
  }
  std::vector<BpfInstruction> code_;
  std::vector<Jump> jumps_;
  std::array<size_t, static_cast<size_t>(Label::kCount)> places_{};
};

// In a fanout program offset 0 is the network header. Loads with plain offsets are used and not
// those with SKF_NET_OFF, which read only the linear part of a packet and fail where a driver left
// the transport header in a page fragment.
constexpr uint16_t kByte = BPF_B | BPF_ABS, kHalf = BPF_H | BPF_ABS, kWord = BPF_W | BPF_ABS;
// The same behind the IP header, whose length is in X.
constexpr uint16_t kByteX = BPF_B | BPF_IND, kHalfX = BPF_H | BPF_IND, kWordX = BPF_W | BPF_IND;

void ByDestination(Assembler& as, const SteeringRules& rules) {
  as.Load(kHalf, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_PROTOCOL));
  as.IfNot(BPF_JEQ, 0x0800, Label::kZero);
  as.Load(kWord, 16);
  for (const stack::Ip4 own : rules.own) as.If(BPF_JEQ, own.value, Label::kOurs);
  for (const AddressRange& range : rules.clients) {
    as.IfWithin(range.first.value, range.last.value, Label::kClient);
  }
  as.Go(Label::kZero);

  as.Place(Label::kClient);
  as.Alu(BPF_AND, 0xff);
  as.Go(Label::kBucket);
}

void ByProtocol(Assembler& as) {
  as.Place(Label::kOurs);
  as.Load(kHalf, 6);
  as.If(BPF_JSET, 0x3fff, Label::kZero);  // MF or an offset
  as.Emit(BPF_LDX | BPF_B | BPF_MSH, 0);  // X = length of the IP header
  as.Load(kByte, 9);
  as.If(BPF_JEQ, 50, Label::kEsp);
  as.If(BPF_JEQ, 17, Label::kUdp);
  as.If(BPF_JEQ, 6, Label::kTcp);
  as.If(BPF_JEQ, 1, Label::kIcmp);
  as.Go(Label::kZero);

  as.Place(Label::kEsp);
  as.Load(kByteX, 3);
  as.Go(Label::kBucket);
}

void ByUdp(Assembler& as) {
  as.Place(Label::kUdp);
  as.Load(kHalfX, 2);
  as.If(BPF_JEQ, 500, Label::kIke500);
  as.If(BPF_JEQ, 4500, Label::kNatT);
  as.Go(Label::kPort);

  as.Place(Label::kIke500);
  as.Load(kByteX, 8 + 15);
  as.Go(Label::kBucket);

  as.Place(Label::kNatT);
  as.Load(kWordX, 8);
  as.If(BPF_JEQ, 0, Label::kMarker);
  as.Alu(BPF_AND, 0xff);
  as.Go(Label::kBucket);

  as.Place(Label::kMarker);
  as.Load(kByteX, 8 + 4 + 15);
  as.Go(Label::kBucket);
}

void ByIcmp(Assembler& as, const SteeringRules& rules) {
  as.Place(Label::kIcmp);
  if (!rules.HasNat()) as.Go(Label::kZero);
  as.Load(kByteX, 0);
  as.If(BPF_JEQ, 0, Label::kEchoReply);
  for (const uint32_t error : {3, 4, 5, 11, 12}) as.If(BPF_JEQ, error, Label::kIcmpError);
  as.Go(Label::kZero);

  as.Place(Label::kEchoReply);
  as.Load(kHalfX, 4);
  as.Go(Label::kIdentifier);
}

void ByQuotedPacket(Assembler& as) {
  constexpr uint32_t kQuoted = 8, kTransport = kQuoted + 20;
  as.Place(Label::kIcmpError);
  as.Load(kByteX, kQuoted);
  as.IfNot(BPF_JEQ, 0x45, Label::kZero);
  as.Load(kHalfX, kQuoted + 6);
  as.If(BPF_JSET, 0x1fff, Label::kZero);
  as.Load(kByteX, kQuoted + 9);
  as.If(BPF_JEQ, 6, Label::kQuotedPort);
  as.If(BPF_JEQ, 17, Label::kQuotedPort);
  as.If(BPF_JEQ, 1, Label::kQuotedIcmp);
  as.Go(Label::kZero);

  as.Place(Label::kQuotedPort);
  as.Load(kHalfX, kTransport);
  as.Go(Label::kPort);

  as.Place(Label::kQuotedIcmp);
  as.Load(kByteX, kTransport);
  as.IfNot(BPF_JEQ, 8, Label::kZero);
  as.Load(kHalfX, kTransport + 4);
  as.Go(Label::kIdentifier);
}

// A NAT port or ICMP identifier in A.
void ByPort(Assembler& as, const SteeringRules& rules) {
  as.Place(Label::kTcp);
  as.Load(kHalfX, 2);

  as.Place(Label::kPort);
  if (rules.HasNat()) as.IfWithin(rules.nat_first, rules.nat_last, Label::kIdentifier);
  as.Go(Label::kZero);

  as.Place(Label::kIdentifier);
  as.Alu(BPF_RSH, 6);
  as.Alu(BPF_AND, 0xff);
  as.Go(Label::kBucket);
}

// The bucket in A becomes the member of the group.
void ToMember(Assembler& as, uint8_t shards, uint32_t small_limit) {
  as.Place(Label::kZero);
  as.Emit(BPF_LD | BPF_IMM, 0);

  as.Place(Label::kBucket);
  as.Alu(BPF_MOD, shards);
  as.Alu(BPF_LSH, 1);
  as.Emit(BPF_MISC | BPF_TAX);
  as.Emit(BPF_LD | BPF_W | BPF_LEN);
  as.If(BPF_JGT, small_limit, Label::kBig);
  as.Emit(BPF_MISC | BPF_TXA);
  as.Emit(BPF_RET | BPF_A);

  as.Place(Label::kBig);
  as.Emit(BPF_MISC | BPF_TXA);
  as.Alu(BPF_ADD, 1);
  as.Emit(BPF_RET | BPF_A);
}

}  // namespace

absl::Status CheckRules(const SteeringRules& rules) {
  if (rules.shards == 0 || rules.shards > kMaxShards) {
    return absl::InvalidArgumentError(
        absl::StrCat("number of shards is ", int{rules.shards}, ", not 1 to ", int{kMaxShards}));
  }
  if (rules.HasNat() && rules.nat_first > rules.nat_last) {
    return absl::InvalidArgumentError("NAT port range ends before it begins");
  }
  for (const AddressRange& range : rules.clients) {
    if (range.last < range.first) {
      return absl::InvalidArgumentError("client address range ends before it begins");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<BpfInstruction>> BuildFanoutProgram(const SteeringRules& rules,
                                                               uint32_t small_limit) {
  if (absl::Status status = CheckRules(rules); !status.ok()) return status;
  Assembler as;
  if (rules.shards > 1) {
    ByDestination(as, rules);
    ByProtocol(as);
    ByUdp(as);
    ByIcmp(as, rules);
    ByQuotedPacket(as);
    ByPort(as, rules);
  }
  ToMember(as, rules.shards, small_limit);
  std::vector<BpfInstruction> program = std::move(as).Finish();
  if (program.size() > kMaxBpfInstructions) {
    return absl::InvalidArgumentError(
        absl::StrCat("too many addresses to steer by: ", rules.own.size(), " own, ",
                     rules.clients.size(), " client ranges"));
  }
  return program;
}

}  // namespace gateway::io
