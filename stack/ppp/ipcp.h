// IPCP's options: RFC 1332 section 3 (address, compression), RFC 1877 (name servers). The two
// halves have little in common: one assigns, the other asks. Run by negotiator.h.
#pragma once

#include <array>
#include <cstdint>

#include "stack/base/address.h"
#include "stack/ppp/negotiator.h"

namespace stack::ppp {

// Assigns. Its own request holds our address alone: Apple rejects name servers offered in it.
class LnsIpcp final : public OptionPolicy {
 public:
  // Before the negotiation begins. A zero `dns` is not given out.
  void Assign(Ip4 client, Ip4 gateway, std::array<Ip4, 2> dns);

  void WriteRequest(Writer& out) override;
  void Judge(ByteView options, OptionReply& reply) override;
  void OnAgreed() override {}
  bool OnNak(ByteView options) override;
  bool OnReject(ByteView options) override;

 private:
  Ip4 client_, gateway_;
  std::array<Ip4, 2> dns_{};
  bool name_gateway_ = true;  // until the peer rejects it
  int refused_ = 0;
};

// Asks.
class ClientIpcp final : public OptionPolicy {
 public:
  void WriteRequest(Writer& out) override;
  void Judge(ByteView options, OptionReply& reply) override;
  void OnAgreed() override { gateway_ = asked_gateway_; }
  bool OnNak(ByteView options) override;
  bool OnReject(ByteView options) override;

  Ip4 address() const { return address_; }
  Ip4 gateway() const { return gateway_; }
  std::array<Ip4, 2> dns() const { return dns_; }

 private:
  Ip4 address_;
  Ip4 gateway_, asked_gateway_;
  std::array<Ip4, 2> dns_{};
  std::array<bool, 2> ask_dns_{true, true};  // until the peer rejects it
};

}  // namespace stack::ppp
