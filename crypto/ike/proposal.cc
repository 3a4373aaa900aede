#include "crypto/ike/proposal.h"

#include <algorithm>
#include <array>

namespace crypto::ike {
namespace {

// Phase 1 attributes, RFC 2409 appendix A.
enum class PhaseOneAttribute : uint16_t {
  kCipher = 1,
  kHash = 2,
  kAuthMethod = 3,
  kGroup = 4,
  kLifeType = 11,
  kLifeDuration = 12,
  kKeyLength = 14,
};

// Phase 2 attributes, RFC 2407 section 4.5.
enum class EspAttribute : uint16_t {
  kLifeType = 1,
  kLifeDuration = 2,
  kGroup = 3,
  kEncapsulationMode = 4,
  kAuth = 5,
  kKeyLength = 6,
};

constexpr uint32_t kLifeSeconds = 1, kLifeKilobytes = 2;

// Life type and duration come as pairs: each duration is of the kind named last.
class LifetimeReader {
 public:
  explicit LifetimeReader(Lifetime& to) : to_(to) {}
  bool Type(uint32_t type) {
    type_ = type;
    return type == kLifeSeconds || type == kLifeKilobytes;
  }
  bool Duration(const Attribute& attribute) {
    std::optional<uint32_t>& slot = type_ == kLifeKilobytes ? to_.kilobytes : to_.seconds;
    if (type_ == 0 || slot) return false;
    // More than 32 bits of seconds or kilobytes is as good as for ever.
    slot = attribute.Number().value_or(0xffffffff);
    type_ = 0;
    return !attribute.value.empty();
  }

 private:
  Lifetime& to_;
  uint32_t type_ = 0;
};

// Sets a member once from an attribute's number; false if it was set before or the number is too
// big.
template <class T>
bool SetOnce(T& member, const Attribute& attribute) {
  const std::optional<uint32_t> number = attribute.Number();
  if (!number || *number > 0xffff || *number == 0 || static_cast<uint32_t>(member) != 0)
    return false;
  member = static_cast<T>(*number);
  return true;
}

template <class T>
std::optional<size_t> IndexIn(const std::vector<T>& list, const T& value) {
  const auto it = std::find(list.begin(), list.end(), value);
  if (it == list.end()) return std::nullopt;
  return static_cast<size_t>(it - list.begin());
}

using Rank = std::array<size_t, 3>;  // smaller is better, compared from the left

std::optional<Rank> RankOf(const PhaseOneSuite& suite, const PhaseOnePolicy& policy) {
  const auto group = IndexIn(policy.groups, suite.group);
  const auto cipher = IndexIn(policy.ciphers, CipherChoice{suite.cipher, suite.key_bits});
  const auto hash = IndexIn(policy.hashes, suite.hash);
  if (!group || !cipher || !hash || suite.auth != AuthMethod::kPreSharedKey) return std::nullopt;
  if (!IsSupportedGroup(suite.group) || !PrimOf(suite.hash)) return std::nullopt;
  if (!PrimOf(suite.cipher, suite.key_bits)) return std::nullopt;
  return Rank{*group, *cipher, *hash};
}

bool GroupFits(const EspSuite& suite, const EspPolicy& policy, const EspTerms& terms) {
  if (!terms.public_value_octets) return !suite.pfs_group;
  if (!suite.pfs_group || !IndexIn(policy.pfs_groups, *suite.pfs_group)) return false;
  return PublicValueSize(*suite.pfs_group) == *terms.public_value_octets;
}

std::optional<Rank> RankOf(const EspSuite& suite, const EspPolicy& policy, const EspTerms& terms) {
  const auto cipher = IndexIn(policy.ciphers, EspCipherChoice{suite.cipher, suite.key_bits});
  const auto auth =
      IsAuthenticating(suite.cipher) ? std::optional<size_t>(0) : IndexIn(policy.auths, suite.auth);
  if (!cipher || !auth || !KeySizesOf(suite) || !GroupFits(suite, policy, terms)) {
    return std::nullopt;
  }
  const bool is_udp = IsUdpTransport(suite.mode);
  if (is_udp ? !terms.udp_allowed : suite.mode != EncapsulationMode::kTransport)
    return std::nullopt;
  return Rank{is_udp == terms.udp_preferred ? size_t{0} : size_t{1}, *cipher, *auth};
}

// Proposals that share a number are one offer of all of them together (RFC 2408 section 4.2), such
// as ESP with IPCOMP: not spoken here.
bool IsAlone(const SaOffer& offer, const Proposal& proposal) {
  return std::count_if(offer.proposals.begin(), offer.proposals.end(),
                       [&](const Proposal& p) { return p.number == proposal.number; }) == 1;
}

bool IsEspProposal(const SaOffer& offer, const Proposal& proposal) {
  return proposal.protocol == kProtocolEsp && proposal.spi.size() == 4 &&
         stack::Load32(proposal.spi.data()) != 0 && IsAlone(offer, proposal);
}

bool IsIkeProposal(const SaOffer& offer, const Proposal& proposal) {
  return proposal.protocol == kProtocolIsakmp && IsAlone(offer, proposal);
}

Proposal Only(const Proposal& proposal, const Transform& transform) {
  return {proposal.number, proposal.protocol, proposal.spi, {transform}};
}

// Goes over all transforms of the proposals that `is_ours`, and keeps the one ranked best.
template <class Suite, class IsOurs, class Read, class RankIt>
std::optional<Choice<Suite>> ChooseBest(const SaOffer& offer, IsOurs is_ours, Read read,
                                        RankIt rank_it) {
  std::optional<Choice<Suite>> best;
  Rank best_rank{};
  for (const Proposal& proposal : offer.proposals) {
    if (!is_ours(offer, proposal)) continue;
    for (const Transform& transform : proposal.transforms) {
      const std::optional<Suite> suite = read(transform);
      if (!suite) continue;
      const std::optional<Rank> rank = rank_it(*suite);
      if (!rank || (best && *rank >= best_rank)) continue;
      best = Choice<Suite>{*suite, Only(proposal, transform)};
      best_rank = *rank;
    }
  }
  return best;
}

template <class Suite, class Read>
std::vector<Suite> List(const SaOffer& offer, uint8_t protocol, Read read) {
  std::vector<Suite> list;
  for (const Proposal& proposal : offer.proposals) {
    if (proposal.protocol != protocol) continue;
    for (const Transform& transform : proposal.transforms) {
      if (list.size() == kMaxListed) return list;
      if (const std::optional<Suite> suite = read(transform)) list.push_back(*suite);
    }
  }
  return list;
}

void AppendLifetime(Bytes& to, const Lifetime& lifetime, uint16_t type, uint16_t duration) {
  if (lifetime.seconds) {
    AppendAttribute(to, type, kLifeSeconds);
    AppendAttribute(to, duration, *lifetime.seconds);
  }
  if (lifetime.kilobytes) {
    AppendAttribute(to, type, kLifeKilobytes);
    AppendAttribute(to, duration, *lifetime.kilobytes);
  }
}

void Append(Bytes& to, PhaseOneAttribute type, uint32_t value) {
  AppendAttribute(to, static_cast<uint16_t>(type), value);
}
void Append(Bytes& to, EspAttribute type, uint32_t value) {
  AppendAttribute(to, static_cast<uint16_t>(type), value);
}

Bytes AttributesOf(const PhaseOneSuite& suite) {
  Bytes out;
  Append(out, PhaseOneAttribute::kCipher, static_cast<uint32_t>(suite.cipher));
  if (suite.key_bits != 0) Append(out, PhaseOneAttribute::kKeyLength, suite.key_bits);
  Append(out, PhaseOneAttribute::kHash, static_cast<uint32_t>(suite.hash));
  Append(out, PhaseOneAttribute::kGroup, static_cast<uint32_t>(suite.group));
  Append(out, PhaseOneAttribute::kAuthMethod, static_cast<uint32_t>(suite.auth));
  AppendLifetime(out, suite.lifetime, static_cast<uint16_t>(PhaseOneAttribute::kLifeType),
                 static_cast<uint16_t>(PhaseOneAttribute::kLifeDuration));
  return out;
}

Bytes AttributesOf(const EspSuite& suite) {
  Bytes out;
  if (suite.key_bits != 0) Append(out, EspAttribute::kKeyLength, suite.key_bits);
  if (suite.auth != EspAuth::kNone) {
    Append(out, EspAttribute::kAuth, static_cast<uint32_t>(suite.auth));
  }
  Append(out, EspAttribute::kEncapsulationMode, static_cast<uint32_t>(suite.mode));
  if (suite.pfs_group) Append(out, EspAttribute::kGroup, static_cast<uint32_t>(*suite.pfs_group));
  AppendLifetime(out, suite.lifetime, static_cast<uint16_t>(EspAttribute::kLifeType),
                 static_cast<uint16_t>(EspAttribute::kLifeDuration));
  return out;
}

template <class Suite>
bool IsSame(Suite a, Suite b) {
  a.lifetime = b.lifetime = {};
  return a == b;
}

// The reply of a responder: one proposal of one transform, which was among those offered.
template <class Suite, class IsOurs, class Read>
std::optional<Choice<Suite>> Accept(const SaOffer& reply, const std::vector<Suite>& offered,
                                    IsOurs is_ours, Read read) {
  if (reply.proposals.size() != 1 || reply.proposals[0].transforms.size() != 1) return std::nullopt;
  const Proposal& proposal = reply.proposals[0];
  if (!is_ours(reply, proposal)) return std::nullopt;
  const std::optional<Suite> suite = read(proposal.transforms[0]);
  if (!suite) return std::nullopt;
  for (const Suite& mine : offered) {
    if (IsSame(mine, *suite)) return Choice<Suite>{*suite, proposal};
  }
  return std::nullopt;
}

}  // namespace

std::optional<PhaseOneSuite> ReadPhaseOne(const Transform& transform) {
  const auto attributes = DecodeAttributes(transform.attributes);
  if (!attributes || transform.id != kTransformKeyIke) return std::nullopt;
  PhaseOneSuite suite;
  LifetimeReader life(suite.lifetime);
  for (const Attribute& a : *attributes) {
    bool understood = false;
    switch (static_cast<PhaseOneAttribute>(a.type)) {
      case PhaseOneAttribute::kCipher:
        understood = SetOnce(suite.cipher, a);
        break;
      case PhaseOneAttribute::kHash:
        understood = SetOnce(suite.hash, a);
        break;
      case PhaseOneAttribute::kAuthMethod:
        understood = SetOnce(suite.auth, a);
        break;
      case PhaseOneAttribute::kGroup:
        understood = SetOnce(suite.group, a);
        break;
      case PhaseOneAttribute::kLifeType:
        understood = life.Type(a.Number().value_or(0));
        break;
      case PhaseOneAttribute::kLifeDuration:
        understood = life.Duration(a);
        break;
      case PhaseOneAttribute::kKeyLength:
        understood = SetOnce(suite.key_bits, a);
        break;
    }
    if (!understood) return std::nullopt;
  }
  return suite;
}

std::optional<EspSuite> ReadEsp(const Transform& transform) {
  const auto attributes = DecodeAttributes(transform.attributes);
  if (!attributes) return std::nullopt;
  EspSuite suite;
  suite.cipher = static_cast<EspCipher>(transform.id);
  Group group{};
  LifetimeReader life(suite.lifetime);
  for (const Attribute& a : *attributes) {
    bool understood = false;
    switch (static_cast<EspAttribute>(a.type)) {
      case EspAttribute::kLifeType:
        understood = life.Type(a.Number().value_or(0));
        break;
      case EspAttribute::kLifeDuration:
        understood = life.Duration(a);
        break;
      case EspAttribute::kGroup:
        understood = SetOnce(group, a);
        break;
      case EspAttribute::kEncapsulationMode:
        understood = SetOnce(suite.mode, a);
        break;
      case EspAttribute::kAuth:
        understood = SetOnce(suite.auth, a);
        break;
      case EspAttribute::kKeyLength:
        understood = SetOnce(suite.key_bits, a);
        break;
    }
    if (!understood) return std::nullopt;
  }
  if (group != Group{}) suite.pfs_group = group;
  return suite;
}

std::optional<Choice<PhaseOneSuite>> ChoosePhaseOne(const SaOffer& offer,
                                                    const PhaseOnePolicy& policy) {
  return ChooseBest<PhaseOneSuite>(offer, IsIkeProposal, ReadPhaseOne,
                                   [&](const PhaseOneSuite& s) { return RankOf(s, policy); });
}

std::optional<Choice<EspSuite>> ChooseEsp(const SaOffer& offer, const EspPolicy& policy,
                                          const EspTerms& terms) {
  return ChooseBest<EspSuite>(offer, IsEspProposal, ReadEsp,
                              [&](const EspSuite& s) { return RankOf(s, policy, terms); });
}

std::vector<PhaseOneSuite> ListPhaseOne(const SaOffer& offer) {
  return List<PhaseOneSuite>(offer, kProtocolIsakmp, ReadPhaseOne);
}

std::vector<EspSuite> ListEsp(const SaOffer& offer) {
  return List<EspSuite>(offer, kProtocolEsp, ReadEsp);
}

std::vector<EspSuite> ListAcceptable(const EspPolicy& policy) {
  std::vector<EspSuite> list;
  for (const EspCipherChoice& cipher : policy.ciphers) {
    const std::vector<EspAuth> none = {EspAuth::kNone};
    for (const EspAuth auth : IsAuthenticating(cipher.cipher) ? none : policy.auths) {
      if (list.size() == kMaxListed) return list;
      list.push_back({cipher.cipher, cipher.key_bits, auth, EncapsulationMode::kTransport, {}, {}});
    }
  }
  return list;
}

Bytes OfferPhaseOne(const std::vector<PhaseOneSuite>& suites) {
  std::vector<Bytes> attributes;
  for (const PhaseOneSuite& suite : suites) attributes.push_back(AttributesOf(suite));
  Proposal proposal{1, kProtocolIsakmp, {}, {}};
  for (size_t i = 0; i < suites.size(); ++i) {
    proposal.transforms.push_back({static_cast<uint8_t>(i + 1), kTransformKeyIke, attributes[i]});
  }
  return EncodeSa(proposal);
}

Bytes OfferEsp(const std::vector<EspSuite>& suites, uint32_t spi) {
  std::vector<Bytes> attributes;
  for (const EspSuite& suite : suites) attributes.push_back(AttributesOf(suite));
  std::array<std::byte, 4> spi_octets;
  stack::Store32(spi_octets.data(), spi);
  Proposal proposal{1, kProtocolEsp, spi_octets, {}};
  for (size_t i = 0; i < suites.size(); ++i) {
    proposal.transforms.push_back(
        {static_cast<uint8_t>(i + 1), static_cast<uint8_t>(suites[i].cipher), attributes[i]});
  }
  return EncodeSa(proposal);
}

std::optional<Choice<PhaseOneSuite>> AcceptPhaseOne(const SaOffer& reply,
                                                    const std::vector<PhaseOneSuite>& offered) {
  return Accept(reply, offered, IsIkeProposal, ReadPhaseOne);
}

std::optional<Choice<EspSuite>> AcceptEsp(const SaOffer& reply,
                                          const std::vector<EspSuite>& offered) {
  return Accept(reply, offered, IsEspProposal, ReadEsp);
}

}  // namespace crypto::ike
