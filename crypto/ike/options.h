// What the owner allows and wishes, in IKE's own words: pre-shared keys, preferences, limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "crypto/ike/psk_store.h"
#include "crypto/ike/suite.h"
#include "crypto/prim/secret.h"
#include "stack/base/address.h"

namespace crypto::ike {

struct CipherChoice {
  IkeCipher cipher;
  uint16_t key_bits;
  bool operator==(const CipherChoice&) const = default;
};
struct EspCipherChoice {
  EspCipher cipher;
  uint16_t key_bits;
  bool operator==(const EspCipherChoice&) const = default;
};

// Each list holds what is allowed, best first. Of the peer's transforms the one with the best group
// wins, then the best cipher, then the best hash, then the one offered first.
struct PhaseOnePolicy {
  std::vector<Group> groups;
  std::vector<CipherChoice> ciphers;
  std::vector<IkeHash> hashes;

  // Everything a built-in client needs, the weak last: whatever a client can do better is chosen.
  static PhaseOnePolicy Compat();
  // No MODP-1024, no 3DES, no SHA1.
  static PhaseOnePolicy Modern();

  // Android up to 11 offers nothing but MODP-1024; it is weak, hence a switch of the operator's.
  void SetModp1024(bool allowed);
  void AllowMd5();

  bool operator==(const PhaseOnePolicy&) const = default;
};
// "AES-CBC-256, 3DES-CBC / SHA2-256, SHA1 / MODP-2048, MODP-1024 / PSK": one of each is a
// transform.
std::string Text(const PhaseOnePolicy& policy);

// What makes a phase 1 weak, in words that name the remedy; empty if nothing does.
std::string WeaknessOf(const PhaseOneSuite& suite);

// The best cipher wins, then the best authentication, then the one offered first. What is not
// listed is refused. The lists as they stand here are those of Compat().
struct EspPolicy {
  // AES-GCM first: one pass over the packet instead of two, no ICV that anybody could cut short,
  // and who offers it (ChromeOS does, as its first) means it. 3DES last: it costs twenty times as
  // much, but is all that some old clients have.
  std::vector<EspCipherChoice> ciphers = {{EspCipher::kAesGcm16, 256}, {EspCipher::kAesGcm16, 192},
                                          {EspCipher::kAesGcm16, 128}, {EspCipher::kAesCbc, 256},
                                          {EspCipher::kAesCbc, 192},   {EspCipher::kAesCbc, 128},
                                          {EspCipher::kTripleDes, 0}};
  // Of ciphers that need one. SHA1 before SHA2-256: some Android kernels cut the ICV of the latter
  // to 96 bits (which RFC 4868 section 2.6 warns of), and nothing in IKE tells which.
  std::vector<EspAuth> auths = {EspAuth::kHmacSha1, EspAuth::kHmacSha2_256, EspAuth::kHmacSha2_384,
                                EspAuth::kHmacSha2_512};
  // All that can be computed. A weak group adds to the phase-1 keys and takes nothing away, so
  // MODP-1024 (RouterOS) is welcome.
  std::vector<Group> pfs_groups = {Group::kModp2048, Group::kEcp256,   Group::kEcp384,
                                   Group::kModp3072, Group::kModp4096, Group::kModp1536,
                                   Group::kModp1024};

  // All that clients in the field have and that is not broken.
  static EspPolicy Compat() { return {}; }
  // The same without 3DES, SHA1 and MODP-1024.
  static EspPolicy Modern();
};

// What to say of our own address in NAT-D (RFC 3947 section 3.2). A Windows client in its default
// settings refuses a server that is behind a NAT, so there we say what the client wants to hear:
// its own view of us back, and that it is behind a NAT itself, which makes ESP travel in UDP.
enum class NatDEcho : uint8_t {
  kAuto,    // where the client's view of us is not the address its messages came to
  kAlways,  // whatever its view is
  kNever,   // the truth: the address its messages came to
};

struct Options {
  std::shared_ptr<const PskStore> psks;  // null: nobody has a key
  // What we call ourselves (ID_IPV4_ADDR). Absent: the address the peer dialled, as far as known.
  std::optional<stack::Ip4> identity;
  // The address peers dial where a router forwards to us.
  std::optional<stack::Ip4> public_address;
  PhaseOnePolicy phase_one = PhaseOnePolicy::Compat();
  EspPolicy esp;

  // The buckets this shard owns: the low 8 bits of a responder cookie are one of them, at random.
  // Empty: any.
  std::vector<uint8_t> buckets;

  bool nat_traversal = true;
  bool dpd = true;  // advertise and answer; StartDpd works with peers that advertised it
  // Pretend the peer is behind a NAT, so that its ESP comes in UDP whatever lies between.
  bool force_udp_encapsulation = false;
  NatDEcho nat_d_echo = NatDEcho::kAuto;
  bool keylog = false;  // tell KeyLog: somebody wants to read along

  absl::Duration half_open_lifetime = absl::Seconds(30);
  // Added to the peer's phase-1 lifetime before we let go: renewing it is the peer's business.
  absl::Duration lifetime_grace = absl::Seconds(60);
  // For a peer that names no phase-1 lifetime (RFC 2407 section 4.5), or says 0: no limit. The
  // latter is asked then whether it is still there, and may go on if it answers.
  absl::Duration default_lifetime = absl::Hours(8);
  absl::Duration longest_lifetime = absl::Hours(24 * 7);  // of more than this no peer has need
  absl::Duration dpd_retry = absl::Seconds(5);            // between our R-U-THEREs
  int dpd_tries = 4;

  // See half_open.h and established.h.
  size_t max_half_open = 1024;
  size_t max_half_open_per_prefix = 64;
  size_t max_phase_ones = 65536;           // authenticated ones
  size_t max_phase_ones_of_identity = 64;  // of these, of one identity at one address
  size_t max_quick_modes = 16;             // at the same time under one phase 1
};

// What we offer and who we say we are.
struct InitiatorOptions {
  Secret psk;
  std::vector<PhaseOneSuite> phase_one;  // transforms in order; each with its lifetime
  std::vector<EspSuite> esp;             // transforms in order; mode and pfs_group are filled in
  std::optional<Group> pfs_group;        // ask for PFS with this group

  // Identities. Absent: ID_IPV4_ADDR of the path's local address; 17/1701 at both ends.
  std::optional<Identification> identity, idci, idcr;

  bool nat_traversal = true;
  bool dpd = true;
  bool force_udp_encapsulation = false;         // pretend to be behind a NAT
  bool initial_contact = true;                  // say so inside MM5
  uint16_t float_from = 4500, float_to = 4500;  // ports after a NAT was detected

  absl::Duration first_resend = absl::Seconds(2);  // doubles each time
  int tries = 5;
  absl::Duration dpd_retry = absl::Seconds(5);
  int dpd_tries = 4;

  // What strongSwan and Windows 10 offer first of what is spoken here.
  static InitiatorOptions Default(Secret psk);
};

}  // namespace crypto::ike
