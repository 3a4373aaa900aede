#include "gateway/io/host.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

namespace gateway::io {
namespace {

constexpr size_t kMaxNameServers = 2;  // as many as IPCP can carry (RFC 1877)

stack::Ip4 AddressOf(const sockaddr* address) {
  sockaddr_in in;
  std::memcpy(&in, address, sizeof in);
  return {ntohl(in.sin_addr.s_addr)};
}

std::string TextOf(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Takes the next line, or the next word of a line, off the front.
std::string_view Take(std::string_view& text, const char* ends) {
  const size_t end = std::min(text.find_first_of(ends), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

std::vector<std::string_view> WordsOf(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    if (const std::string_view word = Take(line, " \t"); !word.empty()) words.push_back(word);
  }
  return words;
}

// The kernel prints the four octets as one number of its own byte order.
std::optional<uint32_t> KernelHex(std::string_view word) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, 16);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return ntohl(value);
}

}  // namespace

std::vector<stack::Prefix> RoutesIn(std::string_view proc_net_route) {
  constexpr size_t kDestination = 1, kMask = 7;
  std::vector<stack::Prefix> routes;
  Take(proc_net_route, "\n");  // the heading
  while (!proc_net_route.empty()) {
    const std::vector<std::string_view> words = WordsOf(Take(proc_net_route, "\n"));
    if (words.size() <= kMask) continue;
    const auto destination = KernelHex(words[kDestination]), mask = KernelHex(words[kMask]);
    if (!destination || !mask || *mask == 0) continue;
    routes.push_back({{*destination}, static_cast<uint8_t>(std::popcount(*mask))});
  }
  return routes;
}

std::vector<stack::Ip4> NameServersIn(std::string_view resolv_conf) {
  std::vector<stack::Ip4> servers;
  while (!resolv_conf.empty() && servers.size() < kMaxNameServers) {
    const std::vector<std::string_view> words = WordsOf(Take(resolv_conf, "\n"));
    if (words.size() < 2 || words[0] != "nameserver") continue;
    const auto server = stack::Ip4::Parse(words[1]);
    // A resolver on the host's own loopback is out of a client's reach.
    if (server && !server->IsLoopback() && !server->IsZero()) servers.push_back(*server);
  }
  return servers;
}

std::vector<stack::Prefix> HostNetworks() {
  std::vector<stack::Prefix> networks = RoutesIn(TextOf("/proc/thread-self/net/route"));
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return networks;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_netmask == nullptr) continue;
    if (i->ifa_addr->sa_family != AF_INET || AddressOf(i->ifa_addr).IsLoopback()) continue;
    const stack::Prefix own{AddressOf(i->ifa_addr),
                            static_cast<uint8_t>(std::popcount(AddressOf(i->ifa_netmask).value))};
    networks.push_back({own.network(), own.length});
  }
  return networks;
}

// systemd-resolved puts its own address into the first file, and the real ones into the second.
std::vector<stack::Ip4> HostNameServers() {
  std::vector<stack::Ip4> servers = NameServersIn(TextOf("/etc/resolv.conf"));
  if (servers.empty()) servers = NameServersIn(TextOf("/run/systemd/resolve/resolv.conf"));
  return servers;
}

}  // namespace gateway::io
