#include "gateway/load_command.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "conf/spelling.h"
#include "conf/values.h"

namespace gateway {
namespace {

using Read = std::function<std::string(const std::string&)>;

constexpr double kLongest = 1e9;  // seconds

Read Text(std::string& to) {
  return [&to](const std::string& text) {
    to = text;
    return std::string();
  };
}

Read Flag(bool& to) {
  return [&to](const std::string&) {
    to = true;
    return std::string();
  };
}

template <class T>
Read Number(T& to, T least, T most) {
  return [&to, least, most](const std::string& text) -> std::string {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !(value >= least) ||
        value > most) {
      return absl::StrCat(conf::Quote(text), " is no number from ", least, " to ", most);
    }
    to = value;
    return "";
  };
}

// The same into an optional, a duration, anything: `set` takes the number.
template <class T, class F>
Read Numbered(T least, T most, F&& set) {
  return [least, most, set](const std::string& text) {
    T value{};
    std::string reason = Number(value, least, most)(text);
    if (reason.empty()) set(value);
    return reason;
  };
}

Read Seconds(absl::Duration& to, double least = 0) {
  return Numbered<double>(least, kLongest, [&to](double value) { to = absl::Seconds(value); });
}

Read Host(stack::Ip4& to) {
  return [&to](const std::string& text) { return conf::ReadHost(text, to); };
}
Read Host(std::optional<stack::Ip4>& to) {
  return [&to](const std::string& text) { return conf::ReadHost(text, to.emplace()); };
}

Read Prefix(stack::Prefix& to) {
  return [&to](const std::string& text) -> std::string {
    const auto prefix = stack::Prefix::Parse(text);
    if (!prefix) return conf::Quote(text) + " is no address with a length, like 198.18.0.9/24";
    to = *prefix;
    return "";
  };
}

Read Secret(crypto::Secret& to) {
  return [&to](const std::string& text) {
    to = crypto::Secret(stack::AsBytes(text));
    return std::string();
  };
}

// The file's first line.
Read SecretFile(crypto::Secret& to) {
  return [&to](const std::string& path) -> std::string {
    std::ifstream file(path);
    std::string line;
    if (!std::getline(file, line)) return absl::StrCat("cannot read ", path);
    to = crypto::Secret(stack::AsBytes(line));
    return "";
  };
}

// One of `words`, for the enumerators of E in their order.
template <class E>
Read Choice(E& to, std::vector<std::pair<std::string_view, E>> words) {
  return [&to, words = std::move(words)](const std::string& text) {
    std::vector<std::string_view> known;
    for (const auto& [word, value] : words) known.push_back(word);
    size_t index = 0;
    std::string reason = conf::ReadWord(text, known, index);
    if (reason.empty()) to = words[index].second;
    return reason;
  };
}

Read Traffic(std::vector<load::TrafficSpec>& to) {
  return [&to](const std::string& text) {
    load::TrafficSpec spec;
    std::string reason = load::ReadTraffic(text, spec);
    if (reason.empty()) to.push_back(spec);
    return reason;
  };
}

// ---- The words, by what they are about --------------------------------------------------------

void AddWay(load::Options& to, std::vector<LoadWord>& words) {
  const auto add = [&words](LoadWord word) { words.push_back(std::move(word)); };
  add({"--interface", "NAME", "Interface the clients are on (needed)", false, Text(to.interface)});
  add({"--server", "ADDRESS", "The gateway to log in at (needed)", false, Host(to.server)});
  add({"--source", "FIRST[-LAST]/LEN", "The clients' addresses (needed)", false,
       [&to](const std::string& text) { return load::ReadSource(text, to.source); }});
  add({"--gateway", "ADDRESS", "Next hop, if the server is not on link", false, Host(to.gateway)});
  add({"--nat", "", "The clients are behind a NAT that has the addresses of --source", false,
       Flag(to.nat)});
  add({"--mtu", "OCTETS", "Of the outer network (1500)", false,
       Number<uint16_t>(to.mtu, 576, 9000)});
  add({"--far", "NAME", "Interface beyond the gateway, where the traffic's other end is", false,
       Text(to.far)});
  add({"--far-address", "ADDRESS/LEN", "That other end's address", false, Prefix(to.far_address)});
  add({"--far-gateway", "ADDRESS", "Its next hop to the clients (the sender of their packets)",
       false, Host(to.far_gateway)});
  add({"--far-route", "NETWORK", "Where --far-gateway leads (everywhere)", false,
       Prefix(to.far_route)});
  add({"--far-gso", "", "Send UDP down as superframes, too", false, Flag(to.far_gso)});
}

void AddClients(load::Options& to, std::vector<LoadWord>& words) {
  using crypto::Secret;
  using stack::ppp::AuthProtocol;
  const auto add = [&words](LoadWord word) { words.push_back(std::move(word)); };
  add({"--psk", "KEY", "Pre-shared key", false, gateway::Secret(to.psk)});
  add({"--psk-file", "FILE", "File whose first line is the pre-shared key", false,
       SecretFile(to.psk)});
  add({"--user", "NAME", "{n} in it is the client's number (load{n})", false, Text(to.user)});
  add({"--password", "TEXT", "Of all users", false, gateway::Secret(to.password)});
  add({"--clients", "N", "How many (1)", false, Number<uint32_t>(to.clients, 1, 1U << 24U)});
  add({"--rate", "N", "Logins begun a second (50)", false,
       Number<double>(to.login_rate, 0.001, 1e6)});
  add({"--hold", "SECONDS", "From login to logout; 0: until the end (0)", false, Seconds(to.hold)});
  add({"--churn", "", "Log in again after that", false, Flag(to.churn)});
  add({"--phase1", "LIST", "Suites, like aes256-sha1-modp2048", false,
       [&to](const std::string& text) { return load::ReadPhaseOne(text, to.phase_one); }});
  add({"--esp", "LIST", "Suites, like aes256-sha1 or aes256gcm16", false,
       [&to](const std::string& text) { return load::ReadEsp(text, to.esp); }});
  add({"--nat-t", "auto|force|off", "NAT traversal: off is protocol 50 (auto)", false,
       Choice<load::NatT>(to.nat_t, {{"auto", load::NatT::kAuto},
                                     {"force", load::NatT::kForce},
                                     {"off", load::NatT::kOff}})});
  add({"--auth", "mschapv2|pap|chap-md5", "Of PPP (mschapv2)", false,
       Choice<AuthProtocol>(to.auth, {{"mschapv2", AuthProtocol::kMsChapV2},
                                      {"pap", AuthProtocol::kPap},
                                      {"chap-md5", AuthProtocol::kChapMd5}})});
  add({"--rekey", "SECONDS", "Renew ESP's keys so often (never)", false, Seconds(to.rekey, 0.1)});
}

void AddTraffic(load::Options& to, std::vector<LoadWord>& words) {
  const auto add = [&words](LoadWord word) { words.push_back(std::move(word)); };
  add({"--traffic", "up|down:udp|tcp:SIZE:PPS|max",
       "Packets of SIZE octets, PPS of all clients together", true, Traffic(to.traffic)});
  add({"--gso", "", "Send ESP-in-UDP up as UDP superframes", false, Flag(to.gso)});
  add({"--burst", "N", "Packets of one client in a row, and of a superframe (1; 32 in superframes)",
       false, Number<uint32_t>(to.burst, 1, 64)});
  add({"--ping", "MILLISECONDS", "Ping through the tunnel so often", false,
       Numbered<double>(0.1, 1e7,
                        [&to](double value) { to.ping_interval = absl::Milliseconds(value); })});
  add({"--ping-client", "N", "The client that does (1)", false,
       Number<uint32_t>(to.ping_client, 1, 1U << 24U)});
  add({"--prepare", "SECONDS", "Seal up packets for so long a time before sending", false,
       Number<double>(to.prepare, 0.001, kLongest)});
  add({"--prepare-memory", "MIB", "Refuse to need more for that (4096)", false,
       Numbered<uint64_t>(1, 1U << 24U,
                          [&to](uint64_t value) { to.prepare_memory = value << 20U; })});
  add({"--find-rate", "LOSS", "Look for the highest rate with at most this loss, like 0.001", false,
       Numbered<double>(0, 1, [&to](double value) { to.find_rate = value; })});
  add({"--step-seconds", "SECONDS", "How long each rate is tried (3)", false,
       Seconds(to.step, 0.01)});
}

void AddRun(load::Options& to, std::vector<LoadWord>& words) {
  const auto add = [&words](LoadWord word) { words.push_back(std::move(word)); };
  add({"--duration", "SECONDS", "Of measuring (10 with traffic or pings)", false,
       Numbered<double>(0, kLongest, [&to](double value) { to.duration = absl::Seconds(value); })});
  add({"--warmup", "SECONDS", "Of traffic before that (1)", false, Seconds(to.warmup)});
  add({"--json", "FILE", "Write the report as JSON; -: to standard output, without the text", false,
       Text(to.json)});
  add({"--events", "", "Say on standard error, as JSON, what has just begun", false,
       Flag(to.events)});
  add({"--seed", "N", "Same cookies, nonces and ports each time", false,
       Numbered<uint64_t>(0, std::numeric_limits<uint64_t>::max(),
                          [&to](uint64_t value) { to.seed = value; })});
  add({"--cpu", "N", "Core to stay on", false, Number<int>(to.cpu, 0, 1023)});
  add({"--crew", "N", "Threads for Diffie-Hellman (1)", false, Number<uint32_t>(to.crew, 1, 64)});
}

}  // namespace

std::vector<LoadWord> LoadWords(load::Options& to) {
  std::vector<LoadWord> words;
  AddWay(to, words);
  AddClients(to, words);
  AddTraffic(to, words);
  AddRun(to, words);
  return words;
}

std::string UnknownLoadWord(const std::vector<LoadWord>& words, std::string_view given) {
  std::vector<std::string_view> known;
  for (const LoadWord& word : words) known.push_back(word.name);
  return absl::StrCat(conf::Quote(given), " is no option", conf::HintFor(given, known),
                      "; adit load --help shows all");
}

}  // namespace gateway
