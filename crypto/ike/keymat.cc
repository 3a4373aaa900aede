#include "crypto/ike/keymat.h"

#include <algorithm>
#include <cstring>

namespace crypto::ike {
namespace {

std::array<std::byte, 4> Octets(uint32_t number) {
  std::array<std::byte, 4> octets;
  stack::Store32(octets.data(), number);
  return octets;
}

std::array<std::byte, 8> Octets(uint64_t number) {
  std::array<std::byte, 8> octets;
  stack::Store64(octets.data(), number);
  return octets;
}

Secret FirstOf(ByteView bytes, size_t octets) { return Secret(bytes.first(octets)); }

}  // namespace

Iv Iv::Of(ByteView block) {
  Iv iv;
  iv.size = std::min(block.size(), kMaxBlockSize);
  std::memcpy(iv.octets.data(), block.data(), iv.size);
  return iv;
}

PhaseOneKeys DerivePhaseOne(HashId prf, const Secret& psk, const Publics& publics,
                            const Secret& g_xy) {
  const auto cookies = publics.cookies.Octets();
  PhaseOneKeys keys;
  keys.skeyid = HmacOf(prf, psk.view(), {publics.ni, publics.nr});
  const auto child = [&](ByteView before, uint8_t number) {
    const std::byte octet{number};
    return HmacOf(prf, keys.skeyid.view(), {before, g_xy.view(), cookies, {&octet, 1}});
  };
  keys.skeyid_d = child({}, 0);
  keys.skeyid_a = child(keys.skeyid_d.view(), 1);
  keys.skeyid_e = child(keys.skeyid_a.view(), 2);
  return keys;
}

Secret DeriveMessageKey(HashId prf, const Secret& skeyid_e, size_t octets) {
  if (octets <= skeyid_e.size()) return FirstOf(skeyid_e.view(), octets);
  const std::byte zero{0};
  Secret k = HmacOf(prf, skeyid_e.view(), {{&zero, 1}});
  Secret all = k.Clone();
  while (all.size() < octets) {
    k = HmacOf(prf, skeyid_e.view(), {k.view()});
    all = Secret::Concat({all.view(), k.view()});
  }
  return FirstOf(all.view(), octets);
}

Iv FirstIv(HashId hash, const Publics& publics, size_t block_size) {
  return Iv::Of(Hash(hash, {publics.g_xi, publics.g_xr}).view().first(block_size));
}

Iv ExchangeIv(HashId hash, const Iv& last, uint32_t message_id) {
  return Iv::Of(Hash(hash, {last.view(), Octets(message_id)}).view().first(last.size));
}

Secret HashI(HashId prf, const Secret& skeyid, const Publics& publics, ByteView sai, ByteView id) {
  return HmacOf(prf, skeyid.view(),
                {publics.g_xi, publics.g_xr, Octets(publics.cookies.initiator),
                 Octets(publics.cookies.responder), sai, id});
}

Secret HashR(HashId prf, const Secret& skeyid, const Publics& publics, ByteView sai, ByteView id) {
  return HmacOf(prf, skeyid.view(),
                {publics.g_xr, publics.g_xi, Octets(publics.cookies.responder),
                 Octets(publics.cookies.initiator), sai, id});
}

Secret MessageHash(HashId prf, const Secret& skeyid_a, uint32_t message_id,
                   std::initializer_list<ByteView> parts) {
  Hmac mac(prf, skeyid_a.view());
  mac.Update(Octets(message_id));
  for (const ByteView part : parts) mac.Update(part);
  Secret hash(mac.size());
  mac.Final(hash.span());
  return hash;
}

Secret ThirdHash(HashId prf, const Secret& skeyid_a, uint32_t message_id, ByteView ni,
                 ByteView nr) {
  const std::byte zero{0};
  return HmacOf(prf, skeyid_a.view(), {{&zero, 1}, Octets(message_id), ni, nr});
}

ChildKeys DeriveChild(HashId prf, const Secret& skeyid_d, const ChildSeed& seed,
                      const EspKeySizes& sizes) {
  const ByteView g_xy = seed.g_xy == nullptr ? ByteView{} : seed.g_xy->view();
  const std::byte protocol{kProtocolEsp};
  const auto spi = Octets(seed.spi.value);
  Secret k, keymat;
  while (keymat.size() < sizes.cipher + sizes.auth) {
    k = HmacOf(prf, skeyid_d.view(), {k.view(), g_xy, {&protocol, 1}, spi, seed.ni, seed.nr});
    keymat = Secret::Concat({keymat.view(), k.view()});
  }
  return {Secret(keymat.view().first(sizes.cipher)),
          Secret(keymat.view().subspan(sizes.cipher, sizes.auth))};
}

}  // namespace crypto::ike
