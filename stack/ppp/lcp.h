// LCP's options (RFC 1661 section 6, RFC 1570): what we ask for, what we grant, what we refuse. The
// part that both halves share, and the two that differ in who has to authenticate. Run by
// negotiator.h.
#pragma once

#include <cstdint>
#include <optional>

#include "stack/base/rng.h"
#include "stack/ppp/event.h"
#include "stack/ppp/negotiator.h"

namespace stack::ppp {

class Lcp : public OptionPolicy {
 public:
  // `mru`: what we want to receive at most; 0: do not ask, which means 1500.
  Lcp(uint16_t mru, Rng& rng);

  void WriteRequest(Writer& out) final;
  void Judge(ByteView options, OptionReply& reply) final;
  void OnAgreed() final { peer_ = asked_; }
  bool OnNak(ByteView options) final;
  bool OnReject(ByteView options) final;

  uint16_t peer_mru() const { return peer_.mru; }
  uint32_t magic() const { return magic_; }  // 0: rejected
  // The peer wants us to authenticate by MS-CHAPv2.
  bool peer_demands_authentication() const { return peer_.authentication; }
  // Why there can be no agreement, once that is so.
  std::optional<DownReason> failure() const { return failure_; }

 protected:
  // MS-CHAPv2 in an authentication option: C223 81.
  static ByteView MsChapV2();

  virtual void WriteAuthentication(Writer& out) const = 0;
  virtual void JudgeAuthentication(const wire::PppOption& option, OptionReply& reply) = 0;
  // The peer's Nak or Reject of our authentication option. False: there is no agreement.
  virtual bool OnAuthenticationRefused(const wire::PppOption& option, wire::PppCode code) = 0;

 private:
  struct Peer {
    uint16_t mru = wire::kPppDefaultMru;
    bool authentication = false;
  };

  void JudgeOption(const wire::PppOption& option, OptionReply& reply);
  void JudgeMru(const wire::PppOption& option, OptionReply& reply);
  void JudgeMagic(const wire::PppOption& option, OptionReply& reply);
  bool OnRefused(const wire::PppOption& option, wire::PppCode code);
  void NakMru(const wire::PppOption& option);
  uint32_t FreshMagic();

  Rng& rng_;
  const uint16_t wanted_mru_;
  uint16_t mru_;
  uint32_t magic_;
  int own_magic_seen_ = 0;  // in a row
  Peer asked_, peer_;
  std::optional<DownReason> failure_;

 protected:
  void Fail(DownReason reason) { failure_ = reason; }
  void GrantAuthentication() { asked_.authentication = true; }
};

// Demands MS-CHAPv2 and nothing else; refuses to be authenticated.
class LnsLcp final : public Lcp {
 public:
  using Lcp::Lcp;

 private:
  void WriteAuthentication(Writer& out) const override;
  void JudgeAuthentication(const wire::PppOption& option, OptionReply& reply) override;
  bool OnAuthenticationRefused(const wire::PppOption& option, wire::PppCode code) override;
};

// Lets itself be asked for MS-CHAPv2 and nothing else; demands nothing.
class ClientLcp final : public Lcp {
 public:
  using Lcp::Lcp;

 private:
  void WriteAuthentication(Writer& out) const override;
  void JudgeAuthentication(const wire::PppOption& option, OptionReply& reply) override;
  bool OnAuthenticationRefused(const wire::PppOption& option, wire::PppCode code) override;
};

}  // namespace stack::ppp
