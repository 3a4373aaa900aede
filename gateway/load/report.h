// What a run of `adit load` has found out, as text for people and as JSON for scripts: the same
// facts, and keys that stay.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gateway/io/port.h"
#include "gateway/load/fleet.h"
#include "gateway/load/options.h"
#include "gateway/load/pinger.h"
#include "gateway/load/search.h"
#include "gateway/load/tally.h"
#include "stack/base/drop.h"

namespace gateway::load {

struct StreamResult {
  TrafficSpec spec;
  Tally tally;
  uint64_t missed = 0;  // not sent, because we ourselves were too slow
};

struct Report {
  std::string failure;  // why the run broke off; empty: it did not
  LoginCounts logins;
  uint32_t clients = 0, up_at_end = 0;
  std::vector<StreamResult> streams;
  uint64_t without_path = 0;  // flows whose hello did not get through
  uint64_t too_big = 0;       // packets larger than the client's MTU
  // The measured window by CLOCK_MONOTONIC; zero if there was none.
  absl::Time begin, end;
  PingCounts ping;
  bool has_ping = false;
  std::optional<RateSearch> search;
  // Ourselves: CPU time of the thread that moves the packets, in the window and in all, and what
  // our own rings lost or refused.
  absl::Duration cpu_in_window, cpu, wall;
  io::PortStats near_port, far_port;
  uint64_t refused = 0;       // frames
  stack::DropCounters drops;  // of what came in, by reason

  uint64_t Corrupt() const;
  uint64_t RingDrops() const { return near_port.rx_missed + far_port.rx_missed; }
  // Whether the figures may be ours instead of the gateway's.
  bool WeWereTheBottleneck() const;
  // All clients logged in, and what came back was what was sent.
  bool IsGood() const;

  std::string Text() const;
  std::string Json() const;
};

}  // namespace gateway::load
