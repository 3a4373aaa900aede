// The PPP frames of recorded sessions between two pppd, from tests/data/ppp/sessions.txt.
#pragma once

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "stack/wire/ppp.h"

namespace test {

struct Recorded {
  std::string name;
  std::vector<std::pair<char, stack::Bytes>> frames;  // '>' from the client, '<' from the server

  // The nth frame of this direction, protocol, code and identifier (any, if negative); empty if
  // there is none.
  stack::Bytes Find(char direction, stack::wire::PppProtocol protocol, int code,
                    int id = -1) const {
    for (const auto& [from, bytes] : frames) {
      const auto frame = stack::wire::PppFrame::Parse(bytes);
      const auto packet = stack::wire::PppControl::Parse(frame->payload);
      if (from != direction || frame->protocol != protocol || packet->code != code) continue;
      if (id < 0 || packet->id == id) return bytes;
    }
    return {};
  }
};

inline std::vector<Recorded> RecordedSessions() {
  std::vector<Recorded> sessions;
  std::ifstream file(std::string(ADIT_TEST_DATA) + "/ppp/sessions.txt");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("session ")) sessions.push_back({line.substr(8), {}});
    if (line[0] == '<' || line[0] == '>')
      sessions.back().frames.emplace_back(line[0], stack::FromHex(line.substr(2)));
  }
  EXPECT_EQ(sessions.size(), 7U);
  return sessions;
}

}  // namespace test
