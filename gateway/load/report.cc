#include "gateway/load/report.h"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>

#include "gateway/load/json.h"

namespace gateway::load {
namespace {

constexpr double kMissedOfNote = 0.001;  // of what was sent

double Milliseconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e6; }
double MonotonicSeconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

double PerSecond(uint64_t count, absl::Duration time) {
  return time > absl::ZeroDuration() ? static_cast<double>(count) / absl::ToDoubleSeconds(time) : 0;
}

double LoginsPerSecond(const LoginCounts& logins) {
  return logins.succeeded == 0 ? 0
                               : PerSecond(logins.succeeded, logins.last_up - logins.first_begun);
}

void AddTimes(JsonWriter& json, std::string_view key, const Histogram& times) {
  json.Open(key);
  json.Add("count", times.count());
  json.Add("p50_ms", Milliseconds(times.Percentile(0.5)));
  json.Add("p90_ms", Milliseconds(times.Percentile(0.9)));
  json.Add("p99_ms", Milliseconds(times.Percentile(0.99)));
  json.Add("max_ms", Milliseconds(times.max()));
  json.Close();
}

// Streams of one direction together.
Tally Sum(const std::vector<StreamResult>& streams, bool up) {
  Tally sum;
  for (const StreamResult& stream : streams) {
    const Tally& one = stream.tally;
    if (stream.spec.up != up) continue;
    sum.sent += one.sent;
    sum.refused += one.refused;
    sum.received += one.received;
    sum.duplicated += one.duplicated;
    sum.reordered += one.reordered;
    sum.max_distance = std::max(sum.max_distance, one.max_distance);
    sum.corrupt += one.corrupt;
    sum.sent_octets += one.sent_octets;
    sum.received_octets += one.received_octets;
    sum.latency.Add(one.latency);
  }
  return sum;
}

void AddTally(JsonWriter& json, const Tally& tally, absl::Duration time) {
  json.Add("sent", tally.sent);
  json.Add("received", tally.received);
  json.Add("lost", tally.lost());
  json.Add("loss", tally.sent == 0
                       ? 0.0
                       : static_cast<double>(tally.lost()) / static_cast<double>(tally.sent));
  json.Add("duplicated", tally.duplicated);
  json.Add("reordered", tally.reordered);
  json.Add("reorder_max_distance", tally.max_distance);
  json.Add("corrupt", tally.corrupt);
  json.Add("refused", tally.refused);
  json.Add("sent_octets", tally.sent_octets);
  json.Add("received_octets", tally.received_octets);
  json.Add("sent_pps", PerSecond(tally.sent, time));
  json.Add("received_pps", PerSecond(tally.received, time));
  json.Add("received_mbit_s", PerSecond(tally.received_octets * 8, time) / 1e6);
  if (tally.latency.count() > 0) {
    AddTimes(json, "latency", tally.latency);
  } else {
    json.AddNull("latency");
  }
}

void AddLogins(JsonWriter& json, const Report& report) {
  const LoginCounts& logins = report.logins;
  json.Open("logins");
  json.Add("tried", logins.tried);
  json.Add("succeeded", logins.succeeded);
  json.Add("failed", logins.failed);
  json.Add("per_second", LoginsPerSecond(logins));
  json.Add("up_at_end", uint64_t{report.up_at_end});
  json.Add("logged_out", logins.logged_out);
  json.Add("broken_off", logins.broken_off);
  json.Add("rekeys", logins.rekeys);
  json.OpenList("failures");
  for (const auto& [what, count] : logins.failures) {
    json.Open();
    json.Add("step", NameOf(what.first));
    json.Add("reason", what.second);
    json.Add("count", count);
    json.Close();
  }
  json.CloseList();
  json.OpenList("breaks");
  for (const auto& [reason, count] : logins.breaks) {
    json.Open();
    json.Add("reason", reason);
    json.Add("count", count);
    json.Close();
  }
  json.CloseList();
  json.Open("steps");
  for (size_t i = 0; i < kLoginSteps; ++i) {
    AddTimes(json, NameOf(static_cast<LoginStep>(i)), logins.times[i]);
  }
  json.Close();
  json.Close();
}

void AddTraffic(JsonWriter& json, const Report& report) {
  const absl::Duration time = report.end - report.begin;
  json.Open("traffic");
  json.Add("begin_monotonic_s", MonotonicSeconds(report.begin));
  json.Add("end_monotonic_s", MonotonicSeconds(report.end));
  json.Add("seconds", absl::ToDoubleSeconds(time));
  json.Add("without_path", report.without_path);
  json.Add("too_big", report.too_big);
  for (const bool up : {true, false}) {
    json.Open(up ? "up" : "down");
    AddTally(json, Sum(report.streams, up), time);
    json.Close();
  }
  json.OpenList("streams");
  for (const StreamResult& stream : report.streams) {
    json.Open();
    json.Add("spec", stream.spec.Text());
    json.Add("direction", stream.spec.up ? "up" : "down");
    json.Add("size", uint64_t{stream.spec.size});
    json.Add("missed", stream.missed);
    AddTally(json, stream.tally, time);
    json.Close();
  }
  json.CloseList();
  json.Close();
}

void AddSearch(JsonWriter& json, const std::optional<RateSearch>& search) {
  if (!search) return json.AddNull("search");
  json.Open("search");
  if (search->best()) {
    json.Add("best_pps", *search->best());
  } else {
    json.AddNull("best_pps");
  }
  json.OpenList("trials");
  for (const RateSearch::Trial& trial : search->trials()) {
    json.Open();
    json.Add("pps", trial.rate);
    json.Add("loss", trial.loss);
    json.Add("held", trial.held);
    json.Add("was_our_limit", trial.was_our_limit);
    json.Close();
  }
  json.CloseList();
  json.Close();
}

void AddPort(JsonWriter& json, std::string_view key, const io::PortStats& port) {
  json.Open(key);
  json.Add("rx_frames", port.rx_frames);
  json.Add("rx_superframes", port.rx_superframes);
  json.Add("rx_missed", port.rx_missed);
  json.Add("tx_frames", port.tx_frames);
  json.Add("tx_superframes", port.tx_superframes);
  json.Add("tx_failed", port.tx_failed);
  json.Close();
}

void AddSelf(JsonWriter& json, const Report& report) {
  json.Open("self");
  json.Add("was_bottleneck", report.WeWereTheBottleneck());
  json.Add("cpu_seconds", absl::ToDoubleSeconds(report.cpu));
  json.Add("cpu_seconds_in_window", absl::ToDoubleSeconds(report.cpu_in_window));
  json.Add("wall_seconds", absl::ToDoubleSeconds(report.wall));
  json.Add("ring_drops", report.RingDrops());
  json.Add("sends_refused", report.refused);
  AddPort(json, "near", report.near_port);
  AddPort(json, "far", report.far_port);
  json.Open("drops");
  for (size_t i = 1; i < stack::kDropCount; ++i) {
    const auto reason = static_cast<stack::Drop>(i);
    if (report.drops[reason] > 0) json.Add(stack::NameOf(reason), report.drops[reason]);
  }
  json.Close();
  json.Close();
}

// ---- Text -------------------------------------------------------------------------------------

__attribute__((format(printf, 2, 3))) void Print(std::string& text, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  text += line;
}

void PrintTimes(std::string& text, std::string_view name, const Histogram& times) {
  if (times.count() == 0) return;
  Print(text, "  %-12s p50 %9.3f  p90 %9.3f  p99 %9.3f  max %9.3f ms\n", std::string(name).c_str(),
        Milliseconds(times.Percentile(0.5)), Milliseconds(times.Percentile(0.9)),
        Milliseconds(times.Percentile(0.99)), Milliseconds(times.max()));
}

void PrintLogins(std::string& text, const Report& report) {
  const LoginCounts& logins = report.logins;
  Print(text,
        "logins: %" PRIu64 " tried, %" PRIu64 " succeeded, %" PRIu64 " failed; %.1f a second\n",
        logins.tried, logins.succeeded, logins.failed, LoginsPerSecond(logins));
  for (const auto& [what, count] : logins.failures) {
    Print(text, "  %" PRIu64 " failed at %s: %s\n", count, std::string(NameOf(what.first)).c_str(),
          what.second.c_str());
  }
  for (const auto& [reason, count] : logins.breaks) {
    Print(text, "  %" PRIu64 " broken off later: %s\n", count, reason.c_str());
  }
  for (size_t i = 0; i < kLoginSteps; ++i) {
    PrintTimes(text, NameOf(static_cast<LoginStep>(i)), logins.times[i]);
  }
  if (logins.rekeys > 0) Print(text, "rekeys: %" PRIu64 "\n", logins.rekeys);
}

void PrintStream(std::string& text, const StreamResult& stream, absl::Duration time) {
  const Tally& tally = stream.tally;
  Print(text,
        "%s: %" PRIu64 " sent, %" PRIu64 " received, %" PRIu64 " lost (%.4f %%), %" PRIu64
        " duplicated, %" PRIu64 " reordered (by %" PRIu64 " at most), %" PRIu64 " corrupt\n",
        stream.spec.Text().c_str(), tally.sent, tally.received, tally.lost(),
        tally.sent == 0 ? 0.0
                        : 100 * static_cast<double>(tally.lost()) / static_cast<double>(tally.sent),
        tally.duplicated, tally.reordered, tally.max_distance, tally.corrupt);
  Print(text, "  %.0f packets/s, %.1f Mbit/s arrived\n", PerSecond(tally.received, time),
        PerSecond(tally.received_octets * 8, time) / 1e6);
  PrintTimes(text, "one way", tally.latency);
}

void PrintSearch(std::string& text, const RateSearch& search) {
  for (const RateSearch::Trial& trial : search.trials()) {
    Print(text, "  %12.0f packets/s: %s, loss %.5f%s\n", trial.rate,
          trial.held ? "held" : "not held", trial.loss,
          trial.was_our_limit ? " (adit load cannot send that much)" : "");
  }
  if (search.best()) {
    Print(text, "highest rate: %.0f packets/s\n", *search.best());
  } else {
    text += "no rate held\n";
  }
}

}  // namespace

uint64_t Report::Corrupt() const {
  uint64_t corrupt = 0;
  for (const StreamResult& stream : streams) corrupt += stream.tally.corrupt;
  return corrupt;
}

bool Report::WeWereTheBottleneck() const {
  uint64_t missed = 0, sent = 0;
  for (const StreamResult& stream : streams) {
    missed += stream.missed;
    sent += stream.tally.sent;
  }
  return RingDrops() > 0 || refused > 0 ||
         static_cast<double>(missed) > kMissedOfNote * static_cast<double>(sent);
}

bool Report::IsGood() const {
  return failure.empty() && logins.failed == 0 && logins.succeeded >= clients && Corrupt() == 0;
}

std::string Report::Json() const {
  JsonWriter json(true);
  json.Open();
  json.Add("good", IsGood());
  if (failure.empty()) {
    json.AddNull("failure");
  } else {
    json.Add("failure", failure);
  }
  json.Add("clients", uint64_t{clients});
  json.Add("corrupt", Corrupt());
  AddLogins(json, *this);
  AddTraffic(json, *this);
  if (has_ping) {
    json.Open("ping");
    json.Add("sent", ping.sent);
    json.Add("received", ping.received);
    json.Add("lost", ping.lost());
    AddTimes(json, "times", ping.times);
    json.Close();
  } else {
    json.AddNull("ping");
  }
  AddSearch(json, search);
  AddSelf(json, *this);
  json.Close();
  return json.text() + "\n";
}

std::string Report::Text() const {
  std::string text;
  if (!failure.empty()) text += "broken off: " + failure + "\n";
  PrintLogins(text, *this);
  for (const StreamResult& stream : streams) PrintStream(text, stream, end - begin);
  if (without_path > 0) {
    Print(text, "%" PRIu64 " flows found no way to the far end\n", without_path);
  }
  if (too_big > 0) Print(text, "%" PRIu64 " packets were larger than the tunnel's MTU\n", too_big);
  if (has_ping) {
    Print(text, "pings: %" PRIu64 " sent, %" PRIu64 " lost\n", ping.sent, ping.lost());
    PrintTimes(text, "round trip", ping.times);
  }
  if (search) PrintSearch(text, *search);
  Print(text, "adit load itself: %.2f s of CPU in %.2f s\n", absl::ToDoubleSeconds(cpu),
        absl::ToDoubleSeconds(wall));
  if (WeWereTheBottleneck()) {
    uint64_t missed = 0;
    for (const StreamResult& stream : streams) missed += stream.missed;
    Print(text,
          "ATTENTION: adit load itself was a bottleneck: %" PRIu64
          " frames lost in its own rings, %" PRIu64 " refused on sending, %" PRIu64
          " packets not sent in time\n",
          RingDrops(), refused, missed);
  }
  return text;
}

}  // namespace gateway::load
