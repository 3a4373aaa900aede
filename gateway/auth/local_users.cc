#include "gateway/auth/local_users.h"

#include <array>
#include <utility>
#include <variant>

#include "crypto/prim/hash.h"
#include "crypto/prim/mschap.h"
#include "stack/base/machine.h"

namespace gateway::auth {
namespace {

constexpr size_t kMaxName = 255;  // what a CHAP name may hold in a link of ours

namespace ppp = stack::ppp;

crypto::MsChapExchange ExchangeOf(const ppp::MsChapV2Proof& proof, const std::string& name) {
  return {proof.challenge, proof.response.peer_challenge, name};
}

bool IsRight(const ppp::MsChapV2Proof& proof, const std::string& name,
             const crypto::Secret& nt_hash) {
  return crypto::CheckNtResponse(ExchangeOf(proof, name), nt_hash, proof.response.nt_response);
}

// RFC 1994 section 4.1: identifier, secret, challenge.
bool IsRight(const ppp::ChapMd5Proof& proof, const crypto::Secret& password) {
  const std::array<std::byte, 1> id = {std::byte{proof.id}};
  const crypto::Digest expected =
      crypto::Hash(crypto::HashId::kMd5, {id, password.view(), proof.challenge});
  return crypto::ConstantTimeEqual(expected.view(), proof.response);
}

bool IsRight(const ppp::PapProof& proof, const crypto::Secret& nt_hash) {
  const auto hash = crypto::NtPasswordHash(stack::AsText(proof.password.view()));
  return hash.ok() && *hash == nt_hash;
}

}  // namespace

std::string_view NameOf(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return "none";
    case Refusal::kUnknownUser:
      return "unknown_user";
    case Refusal::kWrongPassword:
      return "wrong_password";
    case Refusal::kNoPassword:
      return "no_password";
  }
  return "none";
}

absl::StatusOr<LocalUsers> LocalUsers::Create(const std::vector<LocalUser>& users,
                                              const ppp::AuthProtocols& allowed, stack::Rng& rng) {
  const bool keep_password = allowed.Contains(ppp::AuthProtocol::kChapMd5);
  LocalUsers result;
  result.users_.reserve(users.size());
  for (const LocalUser& user : users) {
    if (absl::Status status = result.Add(user, keep_password); !status.ok()) return status;
  }
  result.nobody_.nt_hash = crypto::Secret(16);
  rng.Fill(result.nobody_.nt_hash.span());
  result.nobody_.password = crypto::Secret(16);
  rng.Fill(result.nobody_.password.span());
  return result;
}

absl::Status LocalUsers::Add(const LocalUser& user, bool keep_password) {
  if (user.name.empty() || user.name.size() > kMaxName) {
    return absl::InvalidArgumentError("a user name must have 1 to 255 octets");
  }
  if (user.name.find('\\') != std::string::npos) {
    return absl::InvalidArgumentError("user " + user.name + ": a name holds no backslash");
  }
  absl::StatusOr<crypto::Secret> nt_hash = crypto::NtPasswordHash(user.password);
  if (!nt_hash.ok()) {
    return absl::InvalidArgumentError("user " + user.name + ": the password is not usable: " +
                                      std::string(nt_hash.status().message()));
  }
  if (const auto& address = user.grants.address) {
    const auto [owner, fresh] = owners_.try_emplace(*address, user.name);
    if (!fresh) {
      return absl::InvalidArgumentError("user " + user.name + ": " + address->Text() +
                                        " belongs to " + owner->second);
    }
  }
  Entry entry{*std::move(nt_hash), {}, user.grants};
  if (keep_password) entry.password = crypto::Secret(stack::AsBytes(user.password));
  if (!users_.try_emplace(user.name, std::move(entry)).second) {
    return absl::InvalidArgumentError("user " + user.name + " is there twice");
  }
  return absl::OkStatus();
}

Answer LocalUsers::Verify(const Question& question) const {
  Answer answer;
  answer.user = std::string(crypto::WithoutDomain(question.name));
  const auto found = users_.find(answer.user);
  const bool known = found != users_.end();
  const Entry& entry = known ? found->second : nobody_;
  // Carried out for unknown names too: the answer must not come sooner.
  const bool right = std::visit(
      stack::Overloaded{
          [&](const ppp::MsChapV2Proof& p) { return IsRight(p, question.name, entry.nt_hash); },
          [&](const ppp::ChapMd5Proof& p) { return IsRight(p, entry.password); },
          [&](const ppp::PapProof& p) { return IsRight(p, entry.nt_hash); },
      },
      question.proof);
  const bool blind =
      std::holds_alternative<ppp::ChapMd5Proof>(question.proof) && entry.password.empty();
  if (!known || blind || !right) {
    answer.refusal = !known  ? Refusal::kUnknownUser
                     : blind ? Refusal::kNoPassword
                             : Refusal::kWrongPassword;
    return answer;
  }
  if (const auto* proof = std::get_if<ppp::MsChapV2Proof>(&question.proof)) {
    answer.authenticator_response = crypto::GenerateAuthenticatorResponse(
        ExchangeOf(*proof, question.name), entry.nt_hash, proof->response.nt_response);
  }
  answer.grants = entry.grants;
  return answer;
}

}  // namespace gateway::auth
