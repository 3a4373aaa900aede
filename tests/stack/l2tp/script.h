// A tunnel on the table: what goes in is built octet by octet, what comes out is read as one line
// each.
//
//   frames   "SCCRP 7/0 ns0 nr1" (tunnel/session of the header), "ZLB 7/0 ns1 nr2"
//   events   "got SCCRQ", "sent SCCRP", "TunnelUp 256-7 host vendor", "CallUp 20481-9 serial1",
//            "CallDown 20481 peer_hung_up 3/0", "TunnelDown silent 0/0", "Gone", "drop
//            unknown_tunnel"
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "stack/l2tp/tunnel_lac.h"
#include "stack/l2tp/tunnel_lns.h"

namespace test {

using Lines = std::vector<std::string>;

// Session ids 0x5001, 0x5002, ...: easy to name in a script.
class CountingRng : public stack::Rng {
 public:
  void Fill(stack::ByteSpan out) override {
    for (std::byte& b : out) b = std::byte{0};
    if (out.size() >= 2) stack::Store16(out.data(), next_++);
  }
  uint16_t next_ = 0x5001;
};

// A control message with any AVPs, right or wrong.
class Control {
 public:
  Control(uint16_t type, uint16_t ns, uint16_t nr) : Control(ns, nr) { Avp16(0, type); }
  static Control Zlb(uint16_t ns, uint16_t nr) { return Control(ns, nr); }

  Control& To(uint16_t tunnel, uint16_t session = 0) {
    stack::Store16(bytes_.data() + 4, tunnel);
    stack::Store16(bytes_.data() + 6, session);
    return *this;
  }
  Control& Avp16(uint16_t type, uint16_t value, bool mandatory = true) {
    std::byte v[2];
    stack::Store16(v, value);
    return Avp(type, v, mandatory ? 0x8000 : 0);
  }
  Control& Avp32(uint16_t type, uint32_t value, bool mandatory = true) {
    std::byte v[4];
    stack::Store32(v, value);
    return Avp(type, v, mandatory ? 0x8000 : 0);
  }
  Control& Avp(uint16_t type, stack::ByteView value, unsigned bits = 0x8000, uint16_t vendor = 0) {
    std::byte head[6];
    stack::Store16(head, static_cast<uint16_t>(bits | (6 + value.size())));
    stack::Store16(head + 2, vendor);
    stack::Store16(head + 4, type);
    bytes_.insert(bytes_.end(), head, head + 6);
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    stack::Store16(bytes_.data() + 2, static_cast<uint16_t>(bytes_.size()));
    return *this;
  }
  Control& Text(uint16_t type, std::string_view text, bool mandatory = true) {
    return Avp(type, stack::AsBytes(text), mandatory ? 0x8000 : 0);
  }
  stack::ByteView bytes() const { return bytes_; }

 private:
  Control(uint16_t ns, uint16_t nr) : bytes_(12) {
    stack::Writer out(bytes_);
    stack::wire::Write(out, {{0}, {0}, ns, nr}, 12);
  }
  stack::Bytes bytes_;
};

inline std::string FrameText(stack::ByteView bytes) {
  const auto h = stack::wire::L2tp::Parse(bytes);
  if (!h.ok()) return "garbage";
  std::string name = "ZLB";
  if (!h->is_zlb()) {
    const auto m = stack::l2tp::ReadMessage(h->payload());
    name = m.ok() ? std::string(NameOf(m->type)) : "garbage";
    if (m.ok() && m->result) absl::StrAppend(&name, "=", m->result->result, "/", m->result->error);
  }
  return absl::StrCat(name, " ", h->tunnel().value, "/", h->session().value, " ns", h->ns(), " nr",
                      h->nr());
}

inline std::string EventText(const stack::l2tp::Event& event) {
  using namespace stack::l2tp;
  const auto code = [](const ResultCode& c) { return absl::StrCat(c.result, "/", c.error); };
  return std::visit(
      stack::Overloaded{
          [](const Step& e) {
            return absl::StrCat(e.sent ? "sent " : "got ", std::string(NameOf(e.message)));
          },
          [](const TunnelUp& e) {
            return absl::StrCat("TunnelUp ", e.own.value, "-", e.peer.value, " ", e.host_name, " ",
                                e.vendor_name);
          },
          [](const CallUp& e) {
            return absl::StrCat("CallUp ", e.own.value, "-", e.peer.value, " serial", e.serial,
                                e.sequencing_required ? " sequenced" : "");
          },
          [&](const CallDown& e) {
            return absl::StrCat("CallDown ", e.own.value, " ", std::string(NameOf(e.why)), " ",
                                code(e.code));
          },
          [&](const TunnelDown& e) {
            return absl::StrCat("TunnelDown ", std::string(NameOf(e.why)), " ", code(e.code));
          },
          [](const Gone&) { return std::string("Gone"); },
          [](stack::Drop drop) { return absl::StrCat("drop ", std::string(NameOf(drop))); },
      },
      event);
}

// Empties an outbox into lines.
inline Lines Drain(stack::l2tp::Out& out) {
  Lines lines;
  for (auto& item : out.items()) {
    if (auto* frame = std::get_if<0>(&item)) {
      lines.push_back(FrameText(std::as_const(frame->buf).bytes()));
    } else {
      lines.push_back(EventText(std::get<1>(item)));
    }
  }
  out.Clear();
  return lines;
}

// One tunnel with its clock.
template <class Tunnel>
class Rig {
 public:
  explicit Rig(const stack::l2tp::TunnelOptions& options = {}, uint16_t own = 0x100)
      : tunnel(now, options, {own}, rng) {}

  Lines In(stack::ByteView bytes) {
    tunnel.OnPacket(now, bytes, out);
    return Drain(out);
  }
  Lines In(const Control& message) { return In(message.bytes()); }
  Lines InHex(const char* hex) { return In(stack::FromHex(hex)); }

  // Lets time pass until `seconds` after the beginning, each deadline served when it is due; lines
  // are marked with their second.
  Lines Until(double seconds) {
    const absl::Time end = absl::UnixEpoch() + absl::Seconds(seconds);
    Lines all;
    while (tunnel.NextDeadline() <= end) {
      now = std::max(now, tunnel.NextDeadline());
      tunnel.OnDeadline(now, out);
      for (const std::string& line : Drain(out)) {
        all.push_back(absl::StrCat("@", Seconds(), " ", line));
      }
    }
    now = end;
    return all;
  }
  double Seconds() const { return absl::ToDoubleSeconds(now - absl::UnixEpoch()); }

  absl::Time now = absl::UnixEpoch();
  stack::PacketPool pool{64, 1};
  stack::l2tp::Out out{pool};
  CountingRng rng;
  Tunnel tunnel;
};

}  // namespace test
