#include "crypto/ike/natt.h"

#include <algorithm>
#include <array>

namespace crypto::ike {
namespace {

// In order of preference. What Apple calls "draft-ietf-ipsec-nat-t-ike" and drafts 04 to 08 are
// left out on purpose: with those Apple's client uses payload numbers of its own and sends no
// NAT-OA.
constexpr NattVersion kVersions[] = {
    {"RFC 3947", "4a131c81070358455c5728f20e95452f", PayloadType::kNatD, PayloadType::kNatOa,
     EncapsulationMode::kUdpTransport},
    // draft 02 with the vendor string hashed including a newline: what Windows XP sends
    {"draft-02n", "90cb80913ebb696e086381b5ec427b1f", PayloadType::kDraftNatD,
     PayloadType::kDraftNatOa, EncapsulationMode::kDraftUdpTransport},
    {"draft-03", "7d9419a65310ca6f2c179d9215529d56", PayloadType::kDraftNatD,
     PayloadType::kDraftNatOa, EncapsulationMode::kDraftUdpTransport},
    {"draft-02", "cd60464335df21f87cfdb2fc68b6a448", PayloadType::kDraftNatD,
     PayloadType::kDraftNatOa, EncapsulationMode::kDraftUdpTransport},
};

constexpr std::string_view kDpd = "afcad71368a1f1c96b8696fc77570100";  // RFC 3706 section 5.1

// The others only tell the operator who is calling. Matched as prefixes: versions and capability
// words follow some of them.
struct VendorRow {
  std::string_view prefix;  // hex
  bool Vendors::*flag;
};
constexpr VendorRow kVendors[] = {
    {"afcad71368a1f1c96b8696fc7757", &Vendors::dpd},  // the last two octets are its version
    {"4048b7d56ebce88525e7de7f00d6c2d3", &Vendors::fragmentation},
    {"1e2b516905991c7d7c96fcbfb587e461", &Vendors::microsoft},
    {"4df37928e9fc4fd1b3262170d515c662", &Vendors::apple},
    {"882fe56d6fd20dbc2251613b2ebe5beb", &Vendors::strongswan},
    {"09002689dfd6b712", &Vendors::xauth},
};

bool IsPrefix(std::string_view hex, ByteView of) {
  const Bytes prefix = stack::FromHex(hex);
  return of.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), of.begin());
}

void ReadOne(ByteView id, VendorsSeen& seen) {
  for (const NattVersion& version : kVersions) {
    const Bytes known = stack::FromHex(version.vendor_id);
    if (!std::equal(known.begin(), known.end(), id.begin(), id.end())) continue;
    (&version == &kVersions[0] ? seen.vendors.rfc3947 : seen.vendors.natt_draft) = true;
    // Rows stand in order of preference, and so do their addresses.
    if (seen.natt == nullptr || &version < seen.natt) seen.natt = &version;
    return;
  }
  for (const VendorRow& row : kVendors) {
    if (!IsPrefix(row.prefix, id)) continue;
    seen.vendors.*row.flag = true;
    return;
  }
  if (seen.vendors.unknown < 255) ++seen.vendors.unknown;
}

}  // namespace

const NattVersion& NattRfc() { return kVersions[0]; }

VendorsSeen ReadVendorIds(const PayloadChain& payloads) {
  VendorsSeen seen;
  for (const auto& payload : payloads) {
    if (payload.type == PayloadType::kVendorId) ReadOne(payload.body, seen);
  }
  return seen;
}

void AddVendorIds(const NattVersion* natt, bool dpd, PayloadList& to) {
  if (natt != nullptr) to.Add(PayloadType::kVendorId, stack::FromHex(natt->vendor_id));
  if (dpd) to.Add(PayloadType::kVendorId, stack::FromHex(kDpd));
}

Digest NatD(HashId hash, const Cookies& cookies, const stack::Endpoint& endpoint) {
  std::array<std::byte, 6> where;
  stack::Store32(where.data(), endpoint.ip.value);
  stack::Store16(where.data() + 4, endpoint.port);
  return Hash(hash, {cookies.Octets(), where});
}

NatFindings CompareNatD(const PayloadChain& payloads, const NattVersion& version, HashId hash,
                        const Cookies& cookies, const Path& path) {
  const Digest local = NatD(hash, cookies, path.local);
  const Digest remote = NatD(hash, cookies, path.remote);
  NatFindings findings;
  bool remote_matches = false;
  for (const auto& payload : payloads) {
    if (payload.type != version.nat_d) continue;
    if (!findings.told) {
      findings.told = true;
      findings.local = !ConstantTimeEqual(payload.body, local.view());
    } else if (ConstantTimeEqual(payload.body, remote.view())) {
      remote_matches = true;
    }
  }
  findings.peer = findings.told && !remote_matches;
  return findings;
}

}  // namespace crypto::ike
