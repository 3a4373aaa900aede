#include "gateway/io/nic.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gateway/io/fd.h"
#include "stack/base/bytes.h"

namespace gateway::io {
namespace {

std::optional<ifreq> Ask(int fd, const std::string& name, unsigned long request) {
  ifreq question{};
  std::memcpy(question.ifr_name, name.data(), name.size());
  if (ioctl(fd, request, &question) != 0) return std::nullopt;
  return question;
}

absl::Status NoSuchInterface(const std::string& name) {
  return absl::NotFoundError(absl::StrCat("no such interface ", name,
                                          " (there are: ", absl::StrJoin(NicNames(), ", "), ")"));
}

stack::Ip4 AddressOf(const sockaddr* address) {
  sockaddr_in in;
  std::memcpy(&in, address, sizeof in);
  return {ntohl(in.sin_addr.s_addr)};
}

void ReadAddresses(NicFacts& facts) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_netmask == nullptr || facts.name != i->ifa_name) continue;
    if (i->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 in6;
      std::memcpy(&in6, i->ifa_addr, sizeof in6);
      std::memcpy(facts.hosts.emplace_back().data(), &in6.sin6_addr, sizeof(HostAddress));
    } else if (i->ifa_addr->sa_family == AF_INET) {
      const int length = std::popcount(AddressOf(i->ifa_netmask).value);
      facts.addresses.push_back({AddressOf(i->ifa_addr), static_cast<uint8_t>(length)});
      facts.hosts.push_back(Mapped(facts.addresses.back().address));
    }
  }
}

// FNV-1a, finished with the mixer of splitmix64: no secret, only the same on every start.
uint64_t StableHash(stack::ByteView bytes, uint64_t hash = 0xcbf29ce484222325) {
  for (const std::byte b : bytes) {
    hash = (hash ^ static_cast<uint64_t>(b)) * 0x100000001b3;
  }
  return hash;
}

}  // namespace

absl::StatusOr<NicFacts> ReadNic(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ) return NoSuchInterface(name);
  const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return absl::ErrnoToStatus(errno, "cannot ask for interfaces");
  const auto index = Ask(fd.get(), name, SIOCGIFINDEX);
  const auto flags = Ask(fd.get(), name, SIOCGIFFLAGS);
  const auto mac = Ask(fd.get(), name, SIOCGIFHWADDR);
  const auto mtu = Ask(fd.get(), name, SIOCGIFMTU);
  if (!index || !flags || !mac || !mtu) return NoSuchInterface(name);

  NicFacts facts;
  facts.name = name;
  facts.index = index->ifr_ifindex;
  facts.mac = stack::Mac::Load(stack::AsBytes({mac->ifr_hwaddr.sa_data, 6}));
  facts.mtu = static_cast<uint32_t>(mtu->ifr_mtu);
  facts.up = (flags->ifr_flags & IFF_UP) != 0;
  facts.running = (flags->ifr_flags & IFF_RUNNING) != 0;
  facts.ethernet = mac->ifr_hwaddr.sa_family == ARPHRD_ETHER;
  ReadAddresses(facts);
  facts.route = ReadDefaultRoute(facts.index);
  return facts;
}

std::vector<std::string> NicNames() {
  std::vector<std::string> names;
  struct if_nameindex* list = if_nameindex();
  if (list == nullptr) return names;
  for (const struct if_nameindex* i = list; i->if_index != 0; ++i) names.emplace_back(i->if_name);
  if_freenameindex(list);
  return names;
}

stack::Mac DerivedMac(const stack::Mac& interface_mac, const std::string& interface_name) {
  uint64_t hash = StableHash(stack::AsBytes(interface_mac.octets.data(), 6));
  hash = StableHash(stack::AsBytes(interface_name), hash);
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  hash ^= hash >> 31;
  stack::Mac mac{{0x02}};
  for (size_t i = 1; i < mac.octets.size(); ++i) {
    mac.octets[i] = static_cast<uint8_t>(hash >> (8 * i));
  }
  return mac;
}

bool KernelForwards() {
  std::ifstream file("/proc/sys/net/ipv4/ip_forward");
  int value = 0;
  return (file >> value) && value != 0;
}

}  // namespace gateway::io
