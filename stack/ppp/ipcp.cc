#include "stack/ppp/ipcp.h"

namespace stack::ppp {
namespace {

using wire::IpcpOption;
using wire::PppOption;
using wire::PppOptions;

constexpr int kMaxRefusals = 3;  // so often our own address is offered to a peer that wants another

std::array<std::byte, 4> BytesOf(Ip4 address) {
  std::array<std::byte, 4> bytes;
  Store32(bytes.data(), address.value);
  return bytes;
}

void PutAddress(Writer& out, IpcpOption type, Ip4 address) {
  out.U8(static_cast<uint8_t>(type));
  out.U8(6);
  out.U32(address.value);
}

// The address in an option; none if it has another length.
std::optional<Ip4> AddressIn(const PppOption& option) {
  if (option.data.size() != 4) return std::nullopt;
  return Ip4{Load32(option.data.data())};
}

// 0 or 1 for the name server options.
std::optional<size_t> DnsIndex(uint8_t type) {
  switch (static_cast<IpcpOption>(type)) {
    case IpcpOption::kDns1:
      return 0;
    case IpcpOption::kDns2:
      return 1;
    default:
      return std::nullopt;
  }
}

bool IsAddress(const PppOption& option) {
  return option.type == static_cast<uint8_t>(IpcpOption::kAddress);
}

}  // namespace

void LnsIpcp::Assign(Ip4 client, Ip4 gateway, std::array<Ip4, 2> dns) {
  client_ = client;
  gateway_ = gateway;
  dns_ = dns;
}

void LnsIpcp::WriteRequest(Writer& out) {
  if (name_gateway_) PutAddress(out, IpcpOption::kAddress, gateway_);
}

// Whatever address the peer has in mind, it gets the one assigned. WINS servers and VJ compression
// are rejected, and name servers there are none of.
void LnsIpcp::Judge(ByteView options, OptionReply& reply) {
  bool has_address = false;
  PppOptions cursor(options);
  while (const auto option = cursor.Next()) {
    const std::optional<size_t> dns = DnsIndex(option->type);
    has_address = has_address || IsAddress(*option);
    const Ip4 given = dns ? dns_[*dns] : IsAddress(*option) ? client_ : Ip4{};
    const std::optional<Ip4> asked = AddressIn(*option);
    if (given.IsZero() || !asked) {
      reply.Reject(*option);
    } else if (*asked != given) {
      reply.Nak(*option, BytesOf(given));
    }
  }
  if (!has_address) reply.Ask(static_cast<uint8_t>(IpcpOption::kAddress), BytesOf(client_));
}

// Our address is not for the peer to choose. A peer that keeps on refusing it need not know it.
bool LnsIpcp::OnNak(ByteView options) {
  PppOptions cursor(options);
  while (const auto option = cursor.Next()) {
    if (IsAddress(*option) && ++refused_ >= kMaxRefusals) name_gateway_ = false;
  }
  return true;
}

bool LnsIpcp::OnReject(ByteView) {
  name_gateway_ = false;
  return true;
}

void ClientIpcp::WriteRequest(Writer& out) {
  PutAddress(out, IpcpOption::kAddress, address_);
  if (ask_dns_[0]) PutAddress(out, IpcpOption::kDns1, dns_[0]);
  if (ask_dns_[1]) PutAddress(out, IpcpOption::kDns2, dns_[1]);
}

void ClientIpcp::Judge(ByteView options, OptionReply& reply) {
  asked_gateway_ = {};
  PppOptions cursor(options);
  while (const auto option = cursor.Next()) {
    const std::optional<Ip4> address = AddressIn(*option);
    if (IsAddress(*option) && address && !address->IsZero()) {
      asked_gateway_ = *address;
    } else {
      reply.Reject(*option);
    }
  }
}

bool ClientIpcp::OnNak(ByteView options) {
  PppOptions cursor(options);
  while (const auto option = cursor.Next()) {
    const std::optional<Ip4> address = AddressIn(*option);
    if (!address) continue;
    const std::optional<size_t> dns = DnsIndex(option->type);
    if (IsAddress(*option)) address_ = *address;
    if (dns) dns_[*dns] = *address;
  }
  return true;
}

bool ClientIpcp::OnReject(ByteView options) {
  PppOptions cursor(options);
  while (const auto option = cursor.Next()) {
    if (IsAddress(*option)) return false;
    if (const auto dns = DnsIndex(option->type)) {
      ask_dns_[*dns] = false;
      dns_[*dns] = {};
    }
  }
  return true;
}

}  // namespace stack::ppp
