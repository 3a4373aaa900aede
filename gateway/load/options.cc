#include "gateway/load/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "conf/spelling.h"
#include "gateway/load/mark.h"
#include "gateway/load/nat.h"

namespace gateway::load {
namespace {

namespace ike = crypto::ike;
using crypto::Group;

constexpr size_t kUdpHeaders = 28, kTcpHeaders = 40;
constexpr uint32_t kMostClients = 1U << 24U;  // what a mark has room for

template <class T>
struct Word {
  std::string_view text;
  T value;
};

struct Cipher {
  ike::IkeCipher ike;
  ike::EspCipher esp;
  uint16_t bits;
};
constexpr std::array<Word<Cipher>, 4> kCiphers = {{
    {"aes256", {ike::IkeCipher::kAesCbc, ike::EspCipher::kAesCbc, 256}},
    {"aes192", {ike::IkeCipher::kAesCbc, ike::EspCipher::kAesCbc, 192}},
    {"aes128", {ike::IkeCipher::kAesCbc, ike::EspCipher::kAesCbc, 128}},
    {"3des", {ike::IkeCipher::kTripleDesCbc, ike::EspCipher::kTripleDes, 0}},
}};
constexpr std::array<Word<uint16_t>, 3> kGcm = {
    {{"aes256gcm16", 256}, {"aes192gcm16", 192}, {"aes128gcm16", 128}}};
constexpr std::array<Word<ike::IkeHash>, 5> kHashes = {{{"sha1", ike::IkeHash::kSha1},
                                                        {"sha256", ike::IkeHash::kSha2_256},
                                                        {"sha384", ike::IkeHash::kSha2_384},
                                                        {"sha512", ike::IkeHash::kSha2_512},
                                                        {"md5", ike::IkeHash::kMd5}}};
constexpr std::array<Word<ike::EspAuth>, 4> kAuths = {{{"sha1", ike::EspAuth::kHmacSha1},
                                                       {"sha256", ike::EspAuth::kHmacSha2_256},
                                                       {"sha384", ike::EspAuth::kHmacSha2_384},
                                                       {"sha512", ike::EspAuth::kHmacSha2_512}}};
constexpr std::array<Word<Group>, 7> kGroups = {{{"modp2048", Group::kModp2048},
                                                 {"ecp256", Group::kEcp256},
                                                 {"modp1024", Group::kModp1024},
                                                 {"modp1536", Group::kModp1536},
                                                 {"modp3072", Group::kModp3072},
                                                 {"modp4096", Group::kModp4096},
                                                 {"ecp384", Group::kEcp384}}};

std::vector<std::string_view> Split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (size_t end; (end = text.find(at)) != text.npos; text.remove_prefix(end + 1)) {
    parts.push_back(text.substr(0, end));
  }
  parts.push_back(text);
  return parts;
}

// A number and nothing else.
template <class T>
bool ReadNumber(std::string_view text, T& to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  return error == std::errc() && end == text.data() + text.size();
}

// "" or why not.
template <class T, size_t n>
std::string Find(std::string_view text, const std::array<Word<T>, n>& words, T& to) {
  std::vector<std::string_view> known;
  for (const Word<T>& word : words) {
    if (word.text == text) {
      to = word.value;
      return "";
    }
    known.push_back(word.text);
  }
  std::string all;
  for (const std::string_view word : known) all += (all.empty() ? "" : ", ") + std::string(word);
  return absl::StrCat(conf::Quote(text), " is none of ", all, conf::HintFor(text, known));
}

std::string ReadPhaseOneSuite(std::string_view text, ike::PhaseOneSuite& to) {
  const std::vector<std::string_view> parts = Split(text, '-');
  if (parts.size() != 3) {
    return absl::StrCat(conf::Quote(text), " is no cipher-hash-group, like aes256-sha1-modp2048");
  }
  Cipher cipher{};
  std::string reason = Find(parts[0], kCiphers, cipher);
  if (reason.empty()) reason = Find(parts[1], kHashes, to.hash);
  if (reason.empty()) reason = Find(parts[2], kGroups, to.group);
  to.cipher = cipher.ike;
  to.key_bits = cipher.bits;
  to.auth = ike::AuthMethod::kPreSharedKey;
  to.lifetime = {28800, std::nullopt};
  return reason;
}

std::string ReadEspSuite(std::string_view text, ike::EspSuite& to) {
  to.lifetime = {3600, std::nullopt};
  for (const Word<uint16_t>& gcm : kGcm) {
    if (gcm.text != text) continue;
    to.cipher = ike::EspCipher::kAesGcm16;
    to.key_bits = gcm.value;
    return "";
  }
  const std::vector<std::string_view> parts = Split(text, '-');
  if (parts.size() != 2) {
    return absl::StrCat(conf::Quote(text), " is no cipher-hash, like aes256-sha1 or aes256gcm16");
  }
  Cipher cipher{};
  std::string reason = Find(parts[0], kCiphers, cipher);
  if (reason.empty()) reason = Find(parts[1], kAuths, to.auth);
  to.cipher = cipher.esp;
  to.key_bits = cipher.bits;
  return reason;
}

template <class Suite, class F>
std::string ReadList(std::string_view text, std::vector<Suite>& to, F&& read) {
  std::vector<Suite> suites;
  for (const std::string_view part : Split(text, ',')) {
    std::string reason = read(part, suites.emplace_back());
    if (!reason.empty()) return reason;
  }
  to = std::move(suites);
  return "";
}

}  // namespace

std::string ReadPhaseOne(std::string_view text, std::vector<ike::PhaseOneSuite>& to) {
  return ReadList(text, to, ReadPhaseOneSuite);
}

std::string ReadEsp(std::string_view text, std::vector<ike::EspSuite>& to) {
  return ReadList(text, to, ReadEspSuite);
}

std::string ReadSource(std::string_view text, SourceRange& to) {
  const std::vector<std::string_view> halves = Split(text, '/');
  const std::vector<std::string_view> ends = Split(halves.front(), '-');
  const auto first = stack::Ip4::Parse(ends.front());
  const auto last = stack::Ip4::Parse(ends.back());
  uint32_t length = 0;
  if (halves.size() != 2 || ends.size() > 2 || !first || !last || !ReadNumber(halves[1], length) ||
      length > 32) {
    return absl::StrCat(conf::Quote(text), " is no range like 192.0.2.10-192.0.2.20/24");
  }
  const SourceRange range{*first, *last, static_cast<uint8_t>(length)};
  if (*last < *first) return "its last address comes before its first";
  if (!range.IsOnLink(*last)) return absl::StrCat("its ends are not in the same /", length);
  to = range;
  return "";
}

std::string ReadTraffic(std::string_view text, TrafficSpec& to) {
  const std::vector<std::string_view> parts = Split(text, ':');
  TrafficSpec spec;
  uint32_t size = 0;
  if (parts.size() != 4) {
    return absl::StrCat(conf::Quote(text), " is not like up:udp:1400:50000 or down:tcp:1400:max");
  }
  std::string reason =
      Find(parts[0], std::array<Word<bool>, 2>{{{"up", true}, {"down", false}}}, spec.up);
  if (reason.empty()) {
    reason = Find(parts[1], std::array<Word<bool>, 2>{{{"udp", false}, {"tcp", true}}}, spec.tcp);
  }
  if (!reason.empty()) return reason;
  const size_t least = Mark::kMinSize + (spec.tcp ? kTcpHeaders : kUdpHeaders);
  if (!ReadNumber(parts[2], size) || size < least || size > 1500) {
    return absl::StrCat(conf::Quote(parts[2]), " is no packet size from ", least, " to 1500");
  }
  spec.size = static_cast<uint16_t>(size);
  const bool has_rate = ReadNumber(parts[3], spec.rate) && std::isfinite(spec.rate) &&
                        spec.rate > 0 && spec.rate <= 1e9;
  if (!has_rate && parts[3] != "max") {
    return absl::StrCat(conf::Quote(parts[3]), " is no rate in packets a second, nor \"max\"");
  }
  if (!has_rate) spec.rate = 0;
  to = spec;
  return "";
}

std::string TrafficSpec::Text() const {
  return absl::StrCat(up ? "up" : "down", tcp ? ":tcp:" : ":udp:", size, ":",
                      rate > 0 ? absl::StrCat(rate) : "max");
}

bool Options::HasTraffic(bool up) const {
  return std::any_of(traffic.begin(), traffic.end(),
                     [up](const TrafficSpec& spec) { return spec.up == up; });
}

std::string Options::Problem() const {
  if (clients == 0 || clients > kMostClients) return "--clients: from 1 to 16777216";
  const uint64_t places = uint64_t{source.size()} * (nat ? kClientsBehindNat : 1);
  if (clients > places) {
    return absl::StrCat("--clients ", clients, ": --source has room for ", places,
                        nat ? "; give more addresses" : "; give more addresses, or --nat");
  }
  if (source.Contains(server)) return "--server: this address is among those of --source";
  if (!source.IsOnLink(server) && !gateway) {
    return "--server is not in the network of --source: add --gateway";
  }
  if (gateway && !source.IsOnLink(*gateway)) {
    return "--gateway is not in the network of --source";
  }
  if (nat && nat_t == NatT::kOff) return "--nat needs NAT traversal: leave --nat-t off out";
  if (!traffic.empty() && far.empty()) return "--traffic needs the other end: add --far";
  if (!far.empty() && far == interface) return "--far: must be another interface than --interface";
  if (!far.empty() && far_address.address.IsZero()) return "--far needs --far-address";
  if (traffic.size() > 32) return "--traffic: at most 32 times";
  if (churn && (!traffic.empty() || hold <= absl::ZeroDuration())) {
    return "--churn goes with --hold, and without --traffic";
  }
  if (ping_interval > absl::ZeroDuration() && (ping_client == 0 || ping_client > clients)) {
    return "--ping-client: there is no client of this number";
  }
  if (find_rate && traffic.size() != 1)
    return "--find-rate: give one --traffic, whose rate it varies";
  if (find_rate && (*find_rate < 0 || *find_rate >= 1)) return "--find-rate: a loss like 0.001";
  if (prepare > 0 && !HasTraffic(true)) return "--prepare is for up traffic: add --traffic up:...";
  if (prepare > 0 && (rekey != absl::InfiniteDuration() || churn)) {
    return "--prepare seals packets ahead, which a --rekey or --churn would make useless";
  }
  uint64_t octets = 0;
  for (const TrafficSpec& spec : traffic) {
    if (prepare <= 0 || !spec.up) continue;
    if (spec.rate <= 0 && !find_rate) return "--prepare: give --traffic a rate instead of max";
    octets += static_cast<uint64_t>(prepare * spec.rate) * (spec.size + kPreparedAround);
  }
  if (octets > prepare_memory) {
    return absl::StrCat("--prepare needs ", octets >> 20U,
                        " MiB: lower it or the rate, or raise --prepare-memory");
  }
  return "";
}

}  // namespace gateway::load
