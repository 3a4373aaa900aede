// NIST CAVS "IKE v1 Pre-shared Key Authentication": SKEYID and its children for four hashes.
#include "crypto/ike/keymat.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

#include "tests/support/vectors.h"

namespace {

using namespace crypto::ike;  // NOLINT: a test reads as a script
using crypto::HashId;
using crypto::Secret;
using stack::FromHex;
using stack::ToHex;

std::string Trim(const std::string& text) {
  const size_t from = text.find_first_not_of(" \r");
  const size_t to = text.find_last_not_of(" \r");
  return from == std::string::npos ? "" : text.substr(from, to - from + 1);
}

TEST(KeymatCavs, SkeyidFamily) {
  ADIT_NEED_VECTORS("cavs-ikev1/ikev1_psk.fax.gz", path);
  const std::map<std::string, HashId> hashes = {{"[SHA-1]", HashId::kSha1},
                                                {"[SHA-256]", HashId::kSha256},
                                                {"[SHA-384]", HashId::kSha384},
                                                {"[SHA-512]", HashId::kSha512}};
  std::istringstream file(test::ReadFile(path));
  std::map<std::string, std::string> fields;
  HashId hash{};
  int cases = 0;
  for (std::string line; std::getline(file, line);) {
    line = Trim(line);
    if (const auto known = hashes.find(line); known != hashes.end()) hash = known->second;
    const size_t equals = line.find(" = ");
    if (line.empty() || line[0] == '[' || line[0] == '#' || equals == std::string::npos) continue;
    fields[line.substr(0, equals)] = line.substr(equals + 3);
    if (!line.starts_with("SKEYID_e")) continue;
    Publics publics;
    publics.cookies = {std::stoull(fields["CKY_I"], nullptr, 16),
                       std::stoull(fields["CKY_R"], nullptr, 16)};
    publics.ni = FromHex(fields["Ni"]);
    publics.nr = FromHex(fields["Nr"]);
    const PhaseOneKeys keys = DerivePhaseOne(hash, Secret(FromHex(fields["pre-shared-key"])),
                                             publics, Secret(FromHex(fields["g^xy"])));
    ASSERT_EQ(ToHex(keys.skeyid.view()), fields["SKEYID"]) << "case " << cases;
    ASSERT_EQ(ToHex(keys.skeyid_d.view()), fields["SKEYID_d"]);
    ASSERT_EQ(ToHex(keys.skeyid_a.view()), fields["SKEYID_a"]);
    ASSERT_EQ(ToHex(keys.skeyid_e.view()), fields["SKEYID_e"]);
    ++cases;
  }
  EXPECT_GE(cases, 100);
}

TEST(Keymat, MessageKeyIsCutOrStretched) {
  // RFC 2409 appendix B: K1 = prf(SKEYID_e, 0), K2 = prf(SKEYID_e, K1), from the prf itself.
  const Secret skeyid_e(FromHex("596e0948a171ffed86d0b70bafeb5d83a31a0e4d"));
  EXPECT_EQ(ToHex(DeriveMessageKey(HashId::kSha1, skeyid_e, 16).view()),
            "596e0948a171ffed86d0b70bafeb5d83");
  const std::byte zero{0};
  const Secret k1 = crypto::HmacOf(HashId::kSha1, skeyid_e.view(), {{&zero, 1}});
  const Secret k2 = crypto::HmacOf(HashId::kSha1, skeyid_e.view(), {k1.view()});
  const std::string want = (ToHex(k1.view()) + ToHex(k2.view())).substr(0, 64);
  EXPECT_EQ(ToHex(DeriveMessageKey(HashId::kSha1, skeyid_e, 32).view()), want);
}

}  // namespace
