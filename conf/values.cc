#include "conf/values.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "conf/spelling.h"

namespace conf {

using stack::Ip4;
using stack::Mac;
using stack::Prefix;

bool IsHostAddress(Ip4 ip) {
  return ip.value >> 24 != 0 && !ip.IsLoopback() && ip.value < 0xe0000000;
}

std::string ReadHost(std::string_view text, Ip4& to) {
  const auto ip = Ip4::Parse(text);
  if (!ip) return Quote(text) + " is no IPv4 address";
  if (!IsHostAddress(*ip)) return Quote(text) + " cannot be a host's address";
  to = *ip;
  return "";
}

std::string ReadNetwork(std::string_view text, Prefix& to) {
  const auto prefix = Prefix::Parse(text);
  if (!prefix) return Quote(text) + " is no network like \"10.0.0.0/8\"";
  const Prefix network{prefix->network(), prefix->length};
  if (network != *prefix) {
    return Quote(text) + " has host bits set (did you mean \"" + network.Text() + "\"?)";
  }
  to = network;
  return "";
}

std::string ReadLine(std::string_view text, size_t max, std::string& to) {
  if (text.empty() || text.size() > max) {
    return "must have 1.." + std::to_string(max) + " characters";
  }
  if (std::ranges::any_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; })) {
    return "has a control character in it";
  }
  to = text;
  return "";
}

std::string ReadInterfaceName(std::string_view text, std::string& to) {
  constexpr size_t kMaxName = 15;  // IFNAMSIZ less its terminator
  const auto odd = [](unsigned char c) { return c <= ' ' || c >= 0x7f || c == '/' || c == ':'; };
  if (text.empty() || text.size() > kMaxName || std::ranges::any_of(text, odd)) {
    return Quote(text) + " is no interface name";
  }
  to = text;
  return "";
}

std::string ReadInterfaceAddress(std::string_view text, Interface& to) {
  to.dhcp = text == "dhcp";
  if (to.dhcp) return "";
  const auto prefix = Prefix::Parse(text);
  if (!prefix || prefix->length == 0) {
    return Quote(text) + " is neither \"dhcp\" nor an address like \"192.0.2.1/24\"";
  }
  if (text.find('/') == std::string_view::npos) {
    return "needs the length of its network, as in \"" + std::string(text) + "/24\"";
  }
  if (!IsHostAddress(prefix->address)) return Quote(text) + " cannot be a host's address";
  const bool has_ends = prefix->length <= 30;  // RFC 3021: /31 has neither
  if (has_ends && prefix->address == prefix->network()) {
    return Quote(text) + " is the network itself, not an address in it";
  }
  if (has_ends && prefix->address == prefix->broadcast()) {
    return Quote(text) + " is its network's broadcast address";
  }
  to.address = prefix;
  return "";
}

std::string ReadMac(std::string_view text, std::optional<Mac>& to) {
  const auto mac = Mac::Parse(text);
  if (!mac) return Quote(text) + " is no MAC address";
  if (mac->IsMulticast() || *mac == Mac{}) return Quote(text) + " cannot be a station's address";
  to = mac;
  return "";
}

std::string ReadPoolRange(std::string_view text, Pool& to) {
  constexpr uint32_t kMaxPool = uint32_t{1} << 20;  // addresses
  Ip4 first, last;
  if (const size_t dash = text.find('-'); dash != std::string_view::npos) {
    std::string reason = ReadHost(text.substr(0, dash), first);
    if (reason.empty()) reason = ReadHost(text.substr(dash + 1), last);
    if (!reason.empty()) return reason;
  } else {
    Prefix network;
    std::string reason = ReadNetwork(text, network);
    if (!reason.empty()) return reason;
    const uint32_t ends = network.length <= 30 ? 1 : 0;
    first = {network.network().value + ends};
    last = {network.broadcast().value - ends};
    if (!IsHostAddress(first) || !IsHostAddress(last)) {
      return Quote(text) + " are no host addresses";
    }
  }
  if (last < first) return "ends before it begins";
  if (last.value - first.value >= kMaxPool) return "has more than 1048576 addresses";
  to.first = first;
  to.last = last;
  return "";
}

namespace {

struct Range {
  uint16_t first, last;
};

// "first-last".
std::optional<Range> ParseRange(std::string_view text) {
  std::array<uint16_t, 2> ends{};
  const size_t dash = std::min(text.find('-'), text.size());
  const std::array<std::string_view, 2> words = {text.substr(0, dash),
                                                 text.substr(std::min(dash + 1, text.size()))};
  for (size_t i = 0; i < 2; ++i) {
    const char* end = words[i].data() + words[i].size();
    const auto [at, error] = std::from_chars(words[i].data(), end, ends[i]);
    if (error != std::errc{} || at != end) return std::nullopt;
  }
  return Range{ends[0], ends[1]};
}

// The same, or one number.
std::optional<Range> ParseSpan(std::string_view text) {
  if (text.find('-') != std::string_view::npos) return ParseRange(text);
  return ParseRange(std::string(text) + "-" + std::string(text));
}

}  // namespace

std::string ReadPorts(std::string_view text, Nat& to) {
  const auto range = ParseRange(text);
  if (!range) return Quote(text) + " is no range like \"1024-65535\"";
  if (range->first == 0 || range->first > range->last) return Quote(text) + " is no range of ports";
  to.first_port = range->first;
  to.last_port = range->last;
  to.ports_given = true;
  return "";
}

std::string ReadCpus(std::string_view text, std::vector<uint16_t>& to) {
  constexpr uint16_t kMaxCpu = 1023;  // CPU_SETSIZE of the C library
  std::vector<uint16_t> cpus;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const auto span = ParseSpan(text.substr(at, comma - at));
    if (!span || span->first > span->last || span->last > kMaxCpu) {
      return Quote(text) + " is no list of CPUs like \"0-3,8\"";
    }
    for (uint16_t cpu = span->first; cpu <= span->last; ++cpu) {
      if (std::ranges::find(cpus, cpu) != cpus.end()) {
        return "names CPU " + std::to_string(cpu) + " twice";
      }
      cpus.push_back(cpu);
    }
    at = comma + 1;
  }
  to = std::move(cpus);
  return "";
}

std::string ReadDomain(std::string_view text, std::string& to) {
  constexpr size_t kMaxName = 253, kMaxLabel = 63;
  size_t label = 0;
  bool good = !text.empty() && text.size() <= kMaxName && text.back() != '.';
  for (const char c : text) {
    const bool letter = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    if (!letter && (c != '.' || label == 0)) good = false;
    label = letter ? label + 1 : 0;
    good = good && label <= kMaxLabel;
  }
  if (!good) return Quote(text) + " is no domain like \"example.com\"";
  to = text;
  return "";
}

std::string ReadVariable(std::string_view text, std::string& to) {
  constexpr size_t kMaxName = 255;
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  const bool good = !text.empty() && text.size() <= kMaxName && std::ranges::all_of(text, fits) &&
                    std::isdigit(static_cast<unsigned char>(text.front())) == 0;
  if (!good) return Quote(text) + " is no name of an environment variable";
  to = text;
  return "";
}

std::string ReadWord(std::string_view text, const std::vector<std::string_view>& words,
                     size_t& to) {
  const auto found = std::ranges::find(words, text);
  if (found != words.end()) {
    to = static_cast<size_t>(found - words.begin());
    return "";
  }
  std::string all;
  for (const std::string_view word : words) all += (all.empty() ? "" : ", ") + std::string(word);
  return Quote(text) + " is none of " + all + HintFor(text, words);
}

TextReader Host(Ip4& to) {
  return [&to](std::string_view text) { return ReadHost(text, to); };
}

TextReader Host(std::optional<Ip4>& to) {
  return [&to](std::string_view text) {
    Ip4 ip;
    std::string reason = ReadHost(text, ip);
    if (reason.empty()) to = ip;
    return reason;
  };
}

TextReader Hosts(std::vector<Ip4>& to) {
  return [&to](std::string_view text) {
    Ip4 ip;
    std::string reason = ReadHost(text, ip);
    if (reason.empty()) to.push_back(ip);
    return reason;
  };
}

TextReader Network(Prefix& to) {
  return [&to](std::string_view text) { return ReadNetwork(text, to); };
}

TextReader Networks(std::vector<Prefix>& to) {
  return [&to](std::string_view text) {
    Prefix network;
    std::string reason = ReadNetwork(text, network);
    if (reason.empty()) to.push_back(network);
    return reason;
  };
}

TextReader Cpus(std::vector<uint16_t>& to) {
  return [&to](std::string_view text) { return ReadCpus(text, to); };
}

TextReader Line(std::string& to, size_t max) {
  return [&to, max](std::string_view text) { return ReadLine(text, max, to); };
}

}  // namespace conf
