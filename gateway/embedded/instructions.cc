#include "gateway/embedded/instructions.h"

#include <array>

namespace gateway::embedded {
namespace {

// Addresses that a client in the internet cannot dial: RFC 1918, and RFC 6598 of carriers' NATs.
bool IsBehindNat(stack::Ip4 ip) {
  static constexpr std::array<stack::Prefix, 4> kPrivate = {
      stack::Prefix{{0x0a000000}, 8}, stack::Prefix{{0xac100000}, 12},
      stack::Prefix{{0xc0a80000}, 16}, stack::Prefix{{0x64400000}, 10}};
  for (const stack::Prefix& network : kPrivate) {
    if (network.Contains(ip)) return true;
  }
  return false;
}

class Page {
 public:
  explicit Page(const Access& access) : access_(access) { text_.reserve(4096); }
  // $S, $K, $U and $P stand for server, key, user and password.
  Page& Line(std::string_view line) {
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '$' && i + 1 < line.size()) {
        text_ += Word(line[++i]);
      } else {
        text_ += line[i];
      }
    }
    text_ += '\n';
    return *this;
  }
  std::string Take() && { return std::move(text_); }

 private:
  std::string Word(char letter) const {
    switch (letter) {
      case 'S':
        return access_.server.Text();
      case 'K':
        return std::string(access_.psk);
      case 'U':
        return std::string(access_.user);
      default:
        return std::string(access_.password);
    }
  }
  const Access& access_;
  std::string text_;  // never moved: secrets are in it
};

}  // namespace

std::string Instructions(const Access& access) {
  Page page(access);
  page.Line("")
      .Line("Connect a client to this gateway (L2TP/IPsec with a pre-shared key):")
      .Line("")
      .Line("  server $S    pre-shared key $K    user $U    password $P")
      .Line("")
      .Line(
          "  Windows     in PowerShell: Add-VpnConnection -Name adit -ServerAddress $S"
          " -TunnelType L2tp -L2tpPsk $K -AuthenticationMethod MSChapv2"
          " -EncryptionLevel Optional -Force, then connect as $U with $P")
      .Line(
          "  macOS, iOS  Settings > VPN > Add VPN Configuration > L2TP: server $S, account $U,"
          " password $P, secret $K, send all traffic")
      .Line(
          "  Android     Settings > Network > VPN > + > L2TP/IPSec PSK: server address $S,"
          " IPSec pre-shared key $K, then user name $U, password $P")
      .Line(
          "  Linux       nmcli connection add con-name adit type vpn vpn-type l2tp vpn.data"
          " 'gateway=$S, user=$U, password-flags=0, ipsec-enabled=yes, ipsec-psk=$K'"
          " vpn.secrets 'password=$P'")
      .Line("");
  if (IsBehindNat(access.server)) {
    page.Line("  $S is a private address: from the internet, clients dial the router in front of")
        .Line("  it, which has to forward UDP 500 and UDP 4500 to $S.")
        .Line("");
  }
  return std::move(page).Take();
}

}  // namespace gateway::embedded
