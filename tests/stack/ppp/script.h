// A PPP link under virtual time, driven as a script: what goes in is a frame or an answer, what
// comes out is a list of lines, frames spelled out and events by name.
#pragma once

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "stack/ppp/client_link.h"
#include "stack/ppp/lns_link.h"
#include "tests/support/rng.h"

namespace test {

using Lines = std::vector<std::string>;

inline std::string CodeText(stack::wire::PppProtocol protocol, uint8_t code) {
  using stack::wire::PppProtocol;
  static constexpr const char* kChap[] = {"?", "Challenge", "Response", "Success", "Failure"};
  static constexpr const char* kPap[] = {"?", "Request", "Ack", "Nak"};
  if (protocol == PppProtocol::kChap) return kChap[code < 5 ? code : 0];
  if (protocol == PppProtocol::kPap) return kPap[code < 4 ? code : 0];
  return std::string(NameOf(static_cast<stack::wire::PppCode>(code)));
}

// "LCP Configure-Request 1 01040578 0305c22381": code, id, then each option; texts as texts, else
// hex.
inline std::string FrameText(stack::ByteView bytes) {
  using namespace stack::wire;
  const auto frame = PppFrame::Parse(bytes);
  if (!frame) return "broken frame";
  const auto packet = PppControl::Parse(frame->payload);
  if (!packet) return "broken packet";
  std::string text = std::string(NameOf(frame->protocol)) + " " +
                     CodeText(frame->protocol, packet->code) + " " + std::to_string(packet->id);
  const bool is_chap = frame->protocol == PppProtocol::kChap;
  const bool is_pap = frame->protocol == PppProtocol::kPap;
  const bool is_text = is_chap ? packet->code >= 3 : packet->code == 5;
  if (!is_chap && !is_pap && packet->code >= 1 && packet->code <= 4) {
    PppOptions options(packet->data);
    while (const auto option = options.Next()) text += " " + stack::ToHex(option->whole);
  } else if (is_text) {
    text += " " + std::string(stack::AsText(packet->data));
  } else if (!packet->data.empty()) {
    text += " " + stack::ToHex(packet->data);
  }
  return text;
}

struct EventText {
  std::string operator()(const stack::ppp::NeedVerify& e) const {
    return "NeedVerify " + e.name + " " + e.user;
  }
  std::string operator()(const stack::ppp::NeedAddress& e) const { return "NeedAddress " + e.user; }
  std::string operator()(const stack::ppp::Up& e) const {
    return "Up " + e.client.Text() + " " + e.gateway.Text() + " mru " + std::to_string(e.peer_mru) +
           " " + e.user;
  }
  std::string operator()(const stack::ppp::NeedResponse& e) const {
    return "NeedResponse " + e.server;
  }
  std::string operator()(const stack::ppp::NeedCheckSuccess& e) const {
    return "NeedCheckSuccess " + e.authenticator_response;
  }
  std::string operator()(const stack::ppp::ClientUp& e) const {
    return "ClientUp " + e.address.Text() + " " + e.gateway.Text() + " dns " + e.dns[0].Text() +
           " " + e.dns[1].Text() + " mru " + std::to_string(e.peer_mru);
  }
  std::string operator()(const stack::ppp::Suspended&) const { return "Suspended"; }
  std::string operator()(const stack::ppp::Down& e) const {
    return "Down " + std::string(NameOf(e.reason)) + (e.detail.empty() ? "" : ": " + e.detail);
  }
  std::string operator()(const stack::ppp::Step& e) const {
    const std::string error = e.error == 0 ? "" : " " + std::to_string(e.error);
    return "step " + std::string(NameOf(e.kind)) + error;
  }
  std::string operator()(const stack::Drop& e) const { return "drop " + std::string(NameOf(e)); }
};

// One link, its world and its clock. L is LnsLink or ClientLink.
template <class L, class Options>
class Script {
 public:
  explicit Script(const Options& options, stack::Rng& rng) : link(options, rng) {}

  // Sets the clock, and lets everything that is due by then happen first, in its time.
  Lines At(absl::Duration since_start) {
    const absl::Time then = kEpoch + since_start;
    while (link.NextDeadline() <= then) {
      now = std::max(now, link.NextDeadline());
      link.OnDeadline(now, out);
    }
    now = then;
    return Drain();
  }
  Lines Start() { return link.Start(now, out), Drain(); }
  Lines In(const std::string& hex) { return In(stack::FromHex(hex)); }
  Lines In(const stack::Bytes& frame) { return link.OnPacket(now, frame, out), Drain(); }
  Lines Terminate(stack::ppp::DownReason reason) {
    return link.Terminate(now, reason, out), Drain();
  }

  // What has come out since the last call. Frames and the tickets of questions are kept.
  Lines Drain() {
    Lines lines;
    frames.clear();
    for (auto& item : out.items()) {
      if (auto* frame = std::get_if<0>(&item)) {
        frames.push_back(stack::ToBytes(frame->buf.bytes()));
        lines.push_back(FrameText(frames.back()));
      } else {
        const auto& event = std::get<1>(item);
        lines.push_back(std::visit(EventText(), event));
        std::visit([this](const auto& e) { Keep(e); }, event);
      }
    }
    out.Clear();
    return lines;
  }

  static constexpr absl::Time kEpoch = absl::UnixEpoch();
  absl::Time now = kEpoch;
  stack::PacketPool pool{64, 2};
  typename L::Out out{pool};
  L link;
  std::vector<stack::Bytes> frames;  // of the last Drain
  uint32_t ticket = 0;               // of the last question
  stack::ppp::NeedVerify verify{};
  stack::ppp::NeedResponse challenge{};

 private:
  template <class E>
  void Keep(const E& e) {
    if constexpr (requires { e.ticket; }) ticket = e.ticket;
    if constexpr (std::is_same_v<E, stack::ppp::NeedVerify>) verify = e;
    if constexpr (std::is_same_v<E, stack::ppp::NeedResponse>) challenge = e;
  }
};

// A frame from its parts: protocol, code, id, data in hex.
inline stack::Bytes Control(stack::wire::PppProtocol protocol, uint8_t code, uint8_t id,
                            const std::string& data) {
  stack::PacketPool pool(1, 1);
  stack::PacketBuf buf = pool.Get();
  EXPECT_TRUE(stack::wire::AppendPppControl(buf, protocol, code, id, stack::FromHex(data)));
  return stack::ToBytes(buf.bytes());
}
inline stack::Bytes LcpPacket(uint8_t code, uint8_t id, const std::string& data) {
  return Control(stack::wire::PppProtocol::kLcp, code, id, data);
}
inline stack::Bytes IpcpPacket(uint8_t code, uint8_t id, const std::string& data) {
  return Control(stack::wire::PppProtocol::kIpcp, code, id, data);
}
// The Configure-Ack of a Configure-Request.
inline stack::Bytes AckOf(stack::Bytes request) {
  request[4] = std::byte{2};
  return request;
}

inline const std::string kGoodResponse = "S=0123456789ABCDEF0123456789ABCDEF01234567";

}  // namespace test
