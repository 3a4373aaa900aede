// Ethernet II framing (RFC 894), the outermost layer of every packet's way.
//
//   0            6            12       14
//   | destination | source     | type   | payload ...
//
// 802.1Q tags and 802.3 length fields are not spoken: link::Pull refuses such frames as kEtherType.
#pragma once

#include <cstdint>
#include <string_view>

#include "stack/base/address.h"
#include "stack/base/bytes.h"
#include "stack/base/drop.h"
#include "stack/base/result.h"

namespace stack::wire {

enum class EtherType : uint16_t { kIp4 = 0x0800, kArp = 0x0806, kVlan = 0x8100, kIp6 = 0x86dd };
std::string_view NameOf(EtherType type);  // "unknown" for what is not in the table

// A view of a frame that has at least a whole header.
class Ethernet {
 public:
  static constexpr size_t kSize = 14;

  // kTruncated if there is no whole header.
  static Result<Ethernet, Drop> Parse(ByteView frame);

  Mac destination() const { return Mac::Load(frame_.first(6)); }
  Mac source() const { return Mac::Load(frame_.subspan(6, 6)); }
  EtherType type() const { return static_cast<EtherType>(Load16(frame_.data() + 12)); }
  ByteView payload() const { return frame_.subspan(kSize); }  // may end in padding

 private:
  explicit Ethernet(ByteView frame) : frame_(frame) {}
  ByteView frame_;
};

// Writes a header. Precondition: `out` holds Ethernet::kSize bytes.
void WriteEthernet(ByteSpan out, Mac destination, Mac source, EtherType type);

}  // namespace stack::wire
