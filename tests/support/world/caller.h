// Those who dial into a World: a client with a notebook, and the NAT it may sit behind.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gateway/load/client.h"
#include "stack/base/drop.h"
#include "tests/support/rng.h"

namespace test {

class Caller;

// A NAT that gives every inside endpoint a port of its own, also 500 and 4500, and lets UDP pass.
// The callers behind it may have the same address: each has a line of his own.
class NatBox {
 public:
  explicit NatBox(stack::Ip4 external) : external_(external) {}
  stack::Ip4 external() const { return external_; }

 private:
  friend class World;
  using Inside = std::pair<Caller*, stack::Endpoint>;
  bool Outbound(Caller& from, stack::ByteSpan packet);
  Caller* Inbound(stack::ByteSpan packet);
  void Forget(const Caller& caller);

  stack::Ip4 external_;
  uint16_t next_port_ = 40000;
  std::map<Inside, uint16_t> out_;
  std::map<uint16_t, Inside> in_;
};

// A client and what became of it.
class Caller {
 public:
  struct Options {
    int user = 1;  // u1 ...
    std::string address = "203.0.113.10";
    NatBox* nat = nullptr;
    std::string psk = "psk";
    std::string password = {};  // empty: the right one
    std::function<void(gateway::load::ClientOptions&)> change = {};
  };
  struct Note {
    absl::Time at;
    gateway::load::Milestone what;
  };

  gateway::load::Client& client() { return *client_; }
  bool is_up() const { return client_->is_up(); }
  bool is_down() const { return client_->is_down(); }
  bool Saw(gateway::load::Milestone what) const;
  std::string Story() const;  // the milestones' names, with blanks between

  std::vector<Note> notes;
  std::optional<gateway::load::Up> up;  // the last one
  std::optional<gateway::load::Down> down;
  std::deque<stack::Bytes> received;  // inner packets
  std::deque<stack::Bytes> sent;      // outer packets, the last 64
  stack::DropCounters drops;

 private:
  friend class World;
  std::unique_ptr<FixedRng> rng_;
  std::unique_ptr<gateway::load::Client> client_;
  std::unique_ptr<gateway::load::Out> out_;
  stack::Ip4 address_;
  NatBox* nat_ = nullptr;
};

}  // namespace test
