#include "conf/parse.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <optional>
#include <utility>

// toml++ 3.3 states as assumptions what malformed text can break ("[[["); the parser then finds the
// error by itself. So they must neither abort nor be handed to the optimiser as truths.
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace conf {
namespace {

using stack::Ip4;
using stack::Mac;
using stack::Prefix;

constexpr size_t kMaxInterfaces = 64;
constexpr size_t kMaxPools = 256;
constexpr size_t kMaxRoutes = 65536;
constexpr size_t kMaxUsers = 65536;
constexpr uint32_t kMaxPool = uint32_t{1} << 20;  // addresses
constexpr size_t kMaxQuoted = 64;
constexpr int64_t kDay_s = 86400;

// A reader of one text value: the reason why it is refused, "" if it is not.
using TextReader = std::function<std::string(std::string_view)>;

// A value of the file, fit for a terminal.
std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, kMaxQuoted)) {
    quoted += std::isprint(static_cast<unsigned char>(c)) != 0 ? c : '?';
  }
  return quoted + (text.size() > kMaxQuoted ? "...\"" : "\"");
}

std::string HintFor(std::string_view word, const std::vector<std::string_view>& known) {
  const std::string nearest = Nearest(word, known);
  return nearest.empty() ? "" : " (did you mean \"" + nearest + "\"?)";
}

Place PlaceOf(const toml::source_region& source) {
  return {static_cast<uint32_t>(source.begin.line), static_cast<uint32_t>(source.begin.column)};
}

std::string_view TypeOf(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a decimal number";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or time";
  }
}

// One table of the file. Every key asked for becomes a known one; RejectUnknown comes last.
class Table {
 public:
  Table(toml::table& table, std::string path, Parsed& out)
      : table_(table), path_(std::move(path)), out_(out) {}

  void Flag(const char* key, bool& to) {
    toml::node* node = Find(key);
    if (node == nullptr) return;
    if (const auto* value = node->as_boolean()) {
      to = value->get();
    } else {
      WrongType(key, "true or false", *node);
    }
  }

  template <class T>
  void Number(const char* key, T& to, int64_t min, int64_t max) {
    toml::node* node = Find(key);
    if (node == nullptr) return;
    const auto* value = node->as_integer();
    if (value == nullptr) return WrongType(key, "an integer", *node);
    if (value->get() < min || value->get() > max) {
      return Bad(key, "must be " + std::to_string(min) + ".." + std::to_string(max));
    }
    to = static_cast<T>(value->get());
  }

  void Seconds(const char* key, absl::Duration& to, int64_t min, int64_t max) {
    int64_t seconds = absl::ToInt64Seconds(to);
    Number(key, seconds, min, max);
    to = absl::Seconds(seconds);
  }

  // False if the key is not there.
  bool Text(const char* key, const TextReader& read) {
    toml::node* node = Find(key);
    if (node == nullptr) return false;
    if (const auto* value = node->as_string()) {
      const std::string reason = read(value->get());
      if (!reason.empty()) Bad(key, reason);
    } else {
      WrongType(key, "a string", *node);
    }
    return true;
  }

  // As Text, and the value is overwritten in the parser's tree.
  void Secret(const char* key, SecretText& to, size_t max) {
    toml::node* node = Find(key);
    if (node == nullptr) return;
    auto* value = node->as_string();
    if (value == nullptr) return WrongType(key, "a string", *node);
    std::string& text = value->get();
    if (text.empty() || text.size() > max) {
      Bad(key, "must have 1.." + std::to_string(max) + " characters");
    } else {
      to = SecretText(text);
    }
    ScrubMemory(text.data(), text.size());
  }

  void Texts(const char* key, size_t max, const TextReader& read) {
    toml::node* node = Find(key);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr) return WrongType(key, "an array of strings", *node);
    if (array->size() > max) return Bad(key, "has more than " + std::to_string(max) + " entries");
    for (size_t i = 0; i < array->size(); ++i) {
      const std::string name = std::string(key) + "[" + std::to_string(i) + "]";
      const toml::node& element = *array->get(i);
      out_.places.Set(path_ + name, PlaceOf(element.source()));
      const auto* value = element.as_string();
      if (value == nullptr) {
        WrongType(name, "a string", element);
      } else if (const std::string reason = read(value->get()); !reason.empty()) {
        Bad(name, reason);
      }
    }
  }

  void Require(const char* key) {
    if (!out_.places.Has(path_ + key)) Bad(key, "is missing");
  }

  // [key]
  void Sub(const char* key, const std::function<void(Table&)>& read) {
    toml::node* node = Find(key);
    if (node == nullptr) return;
    toml::table* table = node->as_table();
    if (table == nullptr) {
      return Bad(key, "must be one table: write [" + std::string(key) + "]");
    }
    Table sub(*table, path_ + key + ".", out_);
    read(sub);
    sub.RejectUnknown();
  }

  // [[key]]
  void Each(const char* key, size_t max, const std::function<void(Table&)>& read) {
    toml::node* node = Find(key);
    if (node == nullptr) return;
    toml::array* array = node->as_array();
    if (array == nullptr || !std::ranges::all_of(*array, [](auto& n) { return n.is_table(); })) {
      return Bad(key, "must be tables: write [[" + std::string(key) + "]] above each");
    }
    if (array->size() > max) return Bad(key, "more than " + std::to_string(max) + " of them");
    for (size_t i = 0; i < array->size(); ++i) {
      const std::string name = path_ + key + "[" + std::to_string(i) + "]";
      toml::table& entry = *array->get(i)->as_table();
      out_.places.Set(name, PlaceOf(entry.source()));
      Table sub(entry, name + ".", out_);
      read(sub);
      sub.RejectUnknown();
    }
  }

  void RejectUnknown() {
    for (const auto& [key, node] : table_) {
      if (std::ranges::find(known_, key.str()) != known_.end()) continue;
      const std::string path = path_ + std::string(key.str());
      out_.places.Set(path, PlaceOf(key.source()));
      Bad(key.str(), "unknown key" + HintFor(key.str(), known_));
    }
  }

  // The value of `key` is refused: it keeps its default.
  void Bad(std::string_view key, std::string reason) {
    const std::string path = path_ + std::string(key);
    const Place place = out_.places.Of(path);
    out_.places.MarkBad(path);
    const std::string quoted = Quote(key);
    const bool plain = quoted == "\"" + std::string(key) + "\"";
    out_.issues.push_back(
        {Issue::Severity::kError, place, plain ? path : path_ + quoted, std::move(reason)});
  }

 private:
  toml::node* Find(const char* key) {
    known_.emplace_back(key);
    const auto found = table_.find(std::string_view(key));
    if (found == table_.end()) return nullptr;
    out_.places.Set(path_ + key, PlaceOf(found->first.source()));
    return &found->second;
  }
  void WrongType(std::string_view key, std::string_view wanted, const toml::node& node) {
    Bad(key, "must be " + std::string(wanted) + ", not " + std::string(TypeOf(node)));
  }

  toml::table& table_;
  std::string path_;  // with its dot: "ike.", "interface[0]."; "" at the top
  Parsed& out_;
  std::vector<std::string_view> known_;
};

// ---- Values ----

// What a host may have: no broadcast, multicast, loopback, "this network" (RFC 6890), class E.
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

TextReader Line(std::string& to, size_t max) {
  return [&to, max](std::string_view text) -> std::string {
    if (text.empty() || text.size() > max) {
      return "must have 1.." + std::to_string(max) + " characters";
    }
    if (std::ranges::any_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; })) {
      return "has a control character in it";
    }
    to = text;
    return "";
  };
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

// "first-last", or a network, of which the two ends are left out.
std::string ReadPoolRange(std::string_view text, Pool& to) {
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
    if (!IsHostAddress(first) || !IsHostAddress(last))
      return Quote(text) + " are no host addresses";
  }
  if (last < first) return "ends before it begins";
  if (last.value - first.value >= kMaxPool) return "has more than 1048576 addresses";
  to.first = first;
  to.last = last;
  return "";
}

std::string ReadPorts(std::string_view text, Nat& to) {
  std::array<uint16_t, 2> ends{};
  const size_t dash = std::min(text.find('-'), text.size());
  const std::array<std::string_view, 2> words = {text.substr(0, dash),
                                                 text.substr(std::min(dash + 1, text.size()))};
  for (size_t i = 0; i < 2; ++i) {
    const char* end = words[i].data() + words[i].size();
    const auto [at, error] = std::from_chars(words[i].data(), end, ends[i]);
    if (error != std::errc{} || at != end) return Quote(text) + " is no range like \"1024-65535\"";
  }
  if (ends[0] == 0 || ends[0] > ends[1]) return Quote(text) + " is no range of ports";
  to.first_port = ends[0];
  to.last_port = ends[1];
  return "";
}

std::string ReadLevel(std::string_view text, Log::Level& to) {
  static const std::vector<std::string_view> kNames = {"debug", "info", "warning", "error"};
  const auto found = std::ranges::find(kNames, text);
  if (found == kNames.end()) {
    return Quote(text) + " is none of debug, info, warning, error" + HintFor(text, kNames);
  }
  to = static_cast<Log::Level>(found - kNames.begin());
  return "";
}

// ---- Tables, in the order of the model ----

void ReadShards(Table& file, toml::table& raw, Model& model) {
  const toml::node* node = raw.get("shards");
  if (node != nullptr && node->is_string()) {
    file.Text("shards", [](std::string_view text) {
      return text == "auto" ? "" : Quote(text) + " is neither \"auto\" nor a number 1..64";
    });
    return;
  }
  uint32_t shards = 0;
  file.Number("shards", shards, 1, 64);
  if (shards != 0) model.shards = shards;
}

void ReadInterface(Table& table, Interface& to) {
  table.Text("name", [&](std::string_view text) { return ReadInterfaceName(text, to.name); });
  table.Text("address", [&](std::string_view text) { return ReadInterfaceAddress(text, to); });
  table.Text("gateway", Host(to.gateway));
  table.Text("mac", [&](std::string_view text) { return ReadMac(text, to.mac); });
  uint16_t mtu = 0;
  table.Number("mtu", mtu, 576, 9000);
  if (mtu != 0) to.mtu = mtu;
  table.Flag("serve", to.serve);
  table.Flag("nat", to.nat);
  table.Require("name");
  table.Require("address");
}

void ReadRoute(Table& table, Route& to) {
  table.Text("prefix", [&](std::string_view text) { return ReadNetwork(text, to.prefix); });
  table.Text("via", Host(to.via));
  table.Text("interface", [&](std::string_view text) {
    std::string name;
    std::string reason = ReadInterfaceName(text, name);
    if (reason.empty()) to.interface = name;
    return reason;
  });
  table.Require("prefix");
}

void ReadPool(Table& table, Pool& to) {
  table.Text("name", Line(to.name, 64));
  table.Text("range", [&](std::string_view text) { return ReadPoolRange(text, to); });
  table.Text("gateway", Host(to.gateway));
  table.Texts("dns", 2, [&](std::string_view text) {
    Ip4 server;
    std::string reason = ReadHost(text, server);
    if (reason.empty()) to.dns.push_back(server);
    return reason;
  });
  table.Require("range");
  table.Require("gateway");
}

void ReadUser(Table& table, User& to) {
  table.Text("name", Line(to.name, 253));
  table.Secret("password", to.password, 256);
  table.Text("address", Host(to.address));
  table.Require("name");
  table.Require("password");
}

void ReadProtocols(Table& file, Model& model) {
  file.Sub("ike", [&](Table& table) {
    table.Secret("psk", model.ike.psk, 256);
    table.Flag("modp1024", model.ike.modp1024);
    table.Seconds("dpd", model.ike.dpd, 0, 3600);
  });
  file.Sub("l2tp", [&](Table& table) {
    table.Seconds("hello", model.l2tp.hello, 1, 3600);
    table.Text("host_name", Line(model.l2tp.host_name, 64));
  });
  file.Sub("ppp", [&](Table& table) {
    table.Number("mru", model.ppp.mru, 576, 1500);
    table.Seconds("echo", model.ppp.echo, 0, 3600);
  });
}

void ReadReplayWindow(Table& table, uint32_t& to) {
  uint32_t window = to;
  table.Number("replay_window", window, 64, 4096);
  if (std::has_single_bit(window)) {
    to = window;
  } else {
    table.Bad("replay_window", "must be a power of two");
  }
}

void ReadForwarding(Table& file, Model& model) {
  file.Sub("nat", [&](Table& table) {
    table.Text("ports", [&](std::string_view text) { return ReadPorts(text, model.nat); });
    table.Number("quota", model.nat.quota, 64, 64512);
  });
  file.Sub("esp", [&](Table& table) {
    ReadReplayWindow(table, model.esp.replay_window);
    table.Seconds("linger", model.esp.linger, 0, kDay_s);
  });
  file.Sub("log", [&](Table& table) {
    table.Text("level", [&](std::string_view text) { return ReadLevel(text, model.log.level); });
    table.Flag("json", model.log.json);
  });
}

void ReadFile(toml::table& raw, Parsed& out) {
  Table file(raw, "", out);
  Model& model = out.model;
  ReadShards(file, raw, model);
  file.Each("interface", kMaxInterfaces,
            [&](Table& table) { ReadInterface(table, model.interfaces.emplace_back()); });
  file.Each("route", kMaxRoutes,
            [&](Table& table) { ReadRoute(table, model.routes.emplace_back()); });
  file.Each("pool", kMaxPools, [&](Table& table) { ReadPool(table, model.pools.emplace_back()); });
  file.Each("user", kMaxUsers, [&](Table& table) { ReadUser(table, model.users.emplace_back()); });
  ReadProtocols(file, model);
  ReadForwarding(file, model);
  file.RejectUnknown();
}

bool SameLetter(char a, char b) {
  return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
}

// How many letters must be replaced, added, left out or swapped with their neighbour to make `a`
// into `b`.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = cost[i - 1][j - 1] + (SameLetter(a[i - 1], b[j - 1]) ? 0 : 1);
      cost[i][j] = std::min({replaced, cost[i - 1][j] + 1, cost[i][j - 1] + 1});
      if (i > 1 && j > 1 && SameLetter(a[i - 1], b[j - 2]) && SameLetter(a[i - 2], b[j - 1])) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string Nearest(std::string_view word, const std::vector<std::string_view>& known) {
  constexpr size_t kLongest = 64;
  constexpr size_t kAbbreviation = 3;
  if (word.size() > kLongest) return "";
  std::string_view nearest;
  size_t least = 1 + std::max(size_t{2}, word.size() / 3);
  for (const std::string_view candidate : known) {
    if (candidate.size() > kLongest) continue;
    const bool begins = word.size() >= kAbbreviation && candidate.starts_with(word);
    const size_t distance = begins ? 1 : EditDistance(word, candidate);
    // Two strokes make any short word into any other.
    if (distance < least && distance + 1 < std::max(word.size(), candidate.size())) {
      least = distance;
      nearest = candidate;
    }
  }
  return std::string(nearest);
}

Parsed Parse(std::string_view text) {
  Parsed parsed;
  if (text.size() > kMaxText) {
    parsed.issues.push_back({Issue::Severity::kError, {}, "", "larger than 1 MiB"});
    return parsed;
  }
  toml::parse_result result = toml::parse(text);
  if (!result) {
    const toml::parse_error& error = result.error();
    parsed.issues.push_back(
        {Issue::Severity::kError, PlaceOf(error.source()), "", std::string(error.description())});
    return parsed;
  }
  ReadFile(result.table(), parsed);
  SortByPlace(parsed.issues);
  return parsed;
}

}  // namespace conf
