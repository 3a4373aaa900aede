// The ESP half of a recorded session: its packets, and the keys the recorder wrote down.
#pragma once

#include <string>
#include <vector>

#include "crypto/esp/sa.h"
#include "nlohmann/json.hpp"
#include "tests/support/pcap.h"
#include "tests/support/vectors.h"

namespace test {

// Transforms by the names that `ip xfrm state` prints.
inline crypto::esp::Suite SuiteOf(const nlohmann::json& state) {
  const size_t key_octets = state["enc"]["key"].get<std::string>().size() / 2;
  const bool is_sha256 = state["auth-trunc"]["alg"] == "hmac(sha256)";
  return {crypto::CipherId::kAesCbc, key_octets,
          is_sha256 ? crypto::HashId::kSha256 : crypto::HashId::kSha1};
}

inline crypto::esp::SaParameters ParametersOf(const nlohmann::json& state) {
  const auto secret = [&state](const char* half) {
    return crypto::Secret(stack::FromHex(state[half]["key"].get<std::string>()));
  };
  const auto spi = std::stoul(state["spi"].get<std::string>(), nullptr, 16);
  return {.spi = {static_cast<uint32_t>(spi)},
          .suite = SuiteOf(state),
          .keys = {secret("enc"), secret("auth-trunc")},
          .peer = 0};
}

// The ESP packets of a recording, SPI to ICV: IP protocol 50, and UDP port 4500 without IKE (RFC
// 3948 section 2.2, four zero octets in front) and without keepalives (one octet).
inline std::vector<stack::Bytes> EspPackets(const Pcap& pcap) {
  std::vector<stack::Bytes> out;
  for (const Frame& frame : pcap.frames()) {
    const Ip4Payload payload = Ip4PayloadOf(pcap, frame);
    const bool is_4500 = payload.source_port == 4500 || payload.destination_port == 4500;
    if (payload.protocol != 50 && !(payload.protocol == 17 && is_4500)) continue;
    if (payload.bytes.size() < 8 || stack::Load32(payload.bytes.data()) == 0) continue;
    out.push_back(stack::ToBytes(payload.bytes));
  }
  return out;
}

}  // namespace test
