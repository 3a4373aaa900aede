// NAT traversal of IKE, and the vendor ids that announce it and other things. RFC 3947; vendor ids
// of the drafts before it are in one table, a row each.
//
// Who is behind a NAT is found by hashing addresses as each end sees them (NAT-D). From MM5 on both
// ends then talk on port 4500 and ESP travels in UDP (RFC 3948).
#pragma once

#include <cstdint>
#include <string_view>

#include "crypto/ike/event.h"
#include "crypto/ike/payload.h"
#include "crypto/prim/hash.h"

namespace crypto::ike {

// One version of the negotiation, with the numbers it uses.
struct NattVersion {
  std::string_view name;
  std::string_view vendor_id;  // hex
  PayloadType nat_d, nat_oa;
  EncapsulationMode udp_transport;
};
// The one an initiator announces and a responder likes best.
const NattVersion& NattRfc();

struct VendorsSeen {
  Vendors vendors;
  const NattVersion* natt = nullptr;  // the best version among them
};
VendorsSeen ReadVendorIds(const PayloadChain& payloads);

// A responder's vendor ids: at most one for NAT-T (the version agreed on), and DPD.
void AddVendorIds(const NattVersion* natt, bool dpd, PayloadList& to);

// HASH(CKY-I | CKY-R | IP | port).
Digest NatD(HashId hash, const Cookies& cookies, const stack::Endpoint& endpoint);

struct NatFindings {
  bool told = false;  // there were NAT-D payloads
  bool peer = false, local = false;
};
// Compares the NAT-D payloads of the peer's message with the path it came by: the first is about
// us, any of the others may be about the peer (a host with many addresses sends many).
NatFindings CompareNatD(const PayloadChain& payloads, const NattVersion& version, HashId hash,
                        const Cookies& cookies, const Path& path);

}  // namespace crypto::ike
