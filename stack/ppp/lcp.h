// LCP's options (RFC 1661 section 6, RFC 1570): what we ask for, what we grant, what we refuse. The
// part that both halves share, and the two that differ in who has to authenticate. Run by
// negotiator.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "stack/base/rng.h"
#include "stack/ppp/auth.h"
#include "stack/ppp/event.h"
#include "stack/ppp/negotiator.h"

namespace stack::ppp {

class Lcp : public OptionPolicy {
 public:
  // `mru`: what we want to receive at most; 0: do not ask, which means 1500. `spoken`: how we
  // authenticate, or let ourselves be asked to.
  Lcp(uint16_t mru, const AuthProtocols& spoken, Rng& rng);

  void WriteRequest(Writer& out) final;
  void Judge(ByteView options, OptionReply& reply) final;
  void OnAgreed() final { peer_ = asked_; }
  bool OnNak(ByteView options) final;
  bool OnReject(ByteView options) final;

  uint16_t peer_mru() const { return peer_.mru; }
  uint32_t magic() const { return magic_; }  // 0: rejected
  // How the peer wants us to authenticate ourselves.
  std::optional<AuthProtocol> demanded_by_peer() const { return peer_.authentication; }
  // Whether packets of an authentication protocol have a place here; others are rejected.
  bool Speaks(wire::PppProtocol carrier) const;
  // Why there can be no agreement, once that is so.
  std::optional<DownReason> failure() const { return failure_; }

 protected:
  virtual void WriteAuthentication(Writer& out) const = 0;
  virtual void JudgeAuthentication(const wire::PppOption& option, OptionReply& reply) = 0;
  // The peer's Nak or Reject of our authentication option. False: there is no agreement.
  virtual bool OnAuthenticationRefused(const wire::PppOption& option, wire::PppCode code) = 0;

 private:
  struct Peer {
    uint16_t mru = wire::kPppDefaultMru;
    std::optional<AuthProtocol> authentication;
  };

  void JudgeOption(const wire::PppOption& option, OptionReply& reply);
  void JudgeMru(const wire::PppOption& option, OptionReply& reply);
  void JudgeMagic(const wire::PppOption& option, OptionReply& reply);
  bool OnRefused(const wire::PppOption& option, wire::PppCode code);
  void NakMru(const wire::PppOption& option);
  uint32_t FreshMagic();

  Rng& rng_;
  const AuthProtocols spoken_;
  const uint16_t wanted_mru_;
  uint16_t mru_;
  uint32_t magic_;
  int own_magic_seen_ = 0;  // in a row
  Peer asked_, peer_;
  std::optional<DownReason> failure_;

 protected:
  void Fail(DownReason reason) { failure_ = reason; }
  void GrantAuthentication(AuthProtocol protocol) { asked_.authentication = protocol; }
  const AuthProtocols& spoken() const { return spoken_; }
};

// Demands authentication, the best protocol first, and goes where the peer's Naks lead as long as
// that is spoken here; refuses to be authenticated.
class LnsLcp final : public Lcp {
 public:
  LnsLcp(uint16_t mru, const AuthProtocols& spoken, Rng& rng)
      : Lcp(mru, spoken, rng), demand_(spoken.best()) {}

  // What is demanded, and agreed on once LCP is open.
  AuthProtocol demand() const { return demand_; }
  // What either end wants, for people, after there was no agreement.
  std::string Disagreement() const;

 private:
  void WriteAuthentication(Writer& out) const override;
  void JudgeAuthentication(const wire::PppOption& option, OptionReply& reply) override;
  bool OnAuthenticationRefused(const wire::PppOption& option, wire::PppCode code) override;
  std::optional<AuthProtocol> NextDemand(std::optional<AuthProtocol> wanted) const;

  AuthProtocol demand_;
  uint8_t refused_ = 0;  // bit by AuthProtocol
  std::string wanted_;   // by the peer, as its last Nak has it
};

// Lets itself be asked for what it speaks; demands nothing.
class ClientLcp final : public Lcp {
 public:
  using Lcp::Lcp;

 private:
  void WriteAuthentication(Writer& out) const override;
  void JudgeAuthentication(const wire::PppOption& option, OptionReply& reply) override;
  bool OnAuthenticationRefused(const wire::PppOption& option, wire::PppCode code) override;
};

}  // namespace stack::ppp
