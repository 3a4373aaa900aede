#include "gateway/auth/local_users.h"

#include <utility>

#include "crypto/prim/mschap.h"

namespace gateway::auth {
namespace {

constexpr size_t kMaxName = 255;  // what a CHAP name may hold in a link of ours

crypto::MsChapExchange ExchangeOf(const Question& question) {
  return {question.authenticator_challenge, question.peer_challenge, question.name};
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
  }
  return "none";
}

absl::StatusOr<LocalUsers> LocalUsers::Create(const std::vector<LocalUser>& users,
                                              stack::Rng& rng) {
  LocalUsers result;
  result.users_.reserve(users.size());
  for (const LocalUser& user : users) {
    if (absl::Status status = result.Add(user); !status.ok()) return status;
  }
  result.nobody_.nt_hash = crypto::Secret(16);
  rng.Fill(result.nobody_.nt_hash.span());
  return result;
}

absl::Status LocalUsers::Add(const LocalUser& user) {
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
  if (user.address.has_value()) {
    const auto [owner, fresh] = owners_.try_emplace(*user.address, user.name);
    if (!fresh) {
      return absl::InvalidArgumentError("user " + user.name + ": " + user.address->Text() +
                                        " belongs to " + owner->second);
    }
  }
  if (!users_.try_emplace(user.name, Entry{*std::move(nt_hash), user.address}).second) {
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
  const bool right =
      crypto::CheckNtResponse(ExchangeOf(question), entry.nt_hash, question.nt_response);
  if (!known || !right) {
    answer.refusal = known ? Refusal::kWrongPassword : Refusal::kUnknownUser;
    return answer;
  }
  answer.authenticator_response = crypto::GenerateAuthenticatorResponse(
      ExchangeOf(question), entry.nt_hash, question.nt_response);
  answer.address = entry.address;
  return answer;
}

}  // namespace gateway::auth
