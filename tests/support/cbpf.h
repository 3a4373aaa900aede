// A small interpreter of classic BPF, written from the kernel's description of it
// (Documentation/networking/ filter): runs what the kernel would run, on any machine. Only what
// fanout programs use is known; anything else throws.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "gateway/io/fanout.h"
#include "stack/base/bytes.h"

namespace test {

// Runs `program` over an Ethernet frame as PACKET_FANOUT does on receiving: offset 0 is the network
// header, the length is that of the packet, and the Ethernet type can be asked for. A read past the
// end gives 0.
inline uint32_t RunFanoutProgram(const std::vector<gateway::io::BpfInstruction>& program,
                                 stack::ByteView frame) {
  const uint16_t protocol = frame.size() >= 14 ? stack::Load16(&frame[12]) : uint16_t{0};
  const stack::ByteView packet = frame.size() >= 14 ? frame.subspan(14) : stack::ByteView{};
  uint32_t a = 0, x = 0;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const auto& i = program[pc];
    const auto inside = [&](uint64_t at, size_t n) { return at + n <= packet.size(); };
    const auto jump = [&](bool taken) { pc += taken ? i.jump_true : i.jump_false; };
    const uint64_t at = (i.code & 0xe0) == 0x40 ? uint64_t{x} + i.k : uint64_t{i.k};  // BPF_IND
    switch (i.code) {
      case 0x28:  // ldh [k]
        if (i.k == 0xfffff000) {
          a = protocol;
          break;
        }
        [[fallthrough]];
      case 0x48:  // ldh [x+k]
        if (!inside(at, 2)) return 0;
        a = stack::Load16(&packet[at]);
        break;
      case 0x20:  // ld [k]
      case 0x40:  // ld [x+k]
        if (!inside(at, 4)) return 0;
        a = stack::Load32(&packet[at]);
        break;
      case 0x30:  // ldb [k]
      case 0x50:  // ldb [x+k]
        if (!inside(at, 1)) return 0;
        a = static_cast<uint8_t>(packet[at]);
        break;
      case 0xb1:  // ldx 4*([k]&0xf)
        if (!inside(at, 1)) return 0;
        x = 4 * (static_cast<uint32_t>(packet[at]) & 0xf);
        break;
      case 0x00:
        a = i.k;
        break;  // ld #k
      case 0x80:
        a = static_cast<uint32_t>(packet.size());
        break;  // ld len
      case 0x07:
        x = a;
        break;  // tax
      case 0x87:
        a = x;
        break;  // txa
      case 0x04:
        a += i.k;
        break;
      case 0x54:
        a &= i.k;
        break;
      case 0x64:
        a <<= i.k;
        break;
      case 0x74:
        a >>= i.k;
        break;
      case 0x94:
        a %= i.k;
        break;
      case 0x05:
        pc += i.k;
        break;  // ja
      case 0x15:
        jump(a == i.k);
        break;
      case 0x25:
        jump(a > i.k);
        break;
      case 0x35:
        jump(a >= i.k);
        break;
      case 0x45:
        jump((a & i.k) != 0);
        break;
      case 0x16:
        return a;  // ret a
      default:
        throw std::logic_error("instruction the interpreter does not know");
    }
  }
  throw std::logic_error("ran off the end of the program");
}

}  // namespace test
