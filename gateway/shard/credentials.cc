#include "gateway/shard/credentials.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace gateway::shard {
namespace {

namespace ppp = stack::ppp;

ppp::AuthProtocol Translate(conf::Auth::Protocol protocol) {
  switch (protocol) {
    case conf::Auth::Protocol::kMsChapV2:
      return ppp::AuthProtocol::kMsChapV2;
    case conf::Auth::Protocol::kChapMd5:
      return ppp::AuthProtocol::kChapMd5;
    case conf::Auth::Protocol::kPap:
      return ppp::AuthProtocol::kPap;
  }
  return ppp::AuthProtocol::kMsChapV2;
}

ppp::AuthProtocols Translate(const std::vector<conf::Auth::Protocol>& protocols) {
  if (protocols.empty()) return {ppp::AuthProtocol::kMsChapV2};
  ppp::AuthProtocols to = {Translate(protocols.front())};
  for (const conf::Auth::Protocol protocol : protocols) to.Add(Translate(protocol));
  return to;
}

auth::Logins Translate(conf::Logins logins) {
  switch (logins) {
    case conf::Logins::kMany:
      return auth::Logins::kMany;
    case conf::Logins::kReplace:
      return auth::Logins::kReplace;
    case conf::Logins::kRefuse:
      return auth::Logins::kRefuse;
  }
  return auth::Logins::kMany;
}

// An address can be used once: whoever has one of his own is on line once.
auth::Logins LoginsOf(const conf::User& user, conf::Logins common) {
  const conf::Logins wanted = user.logins.value_or(common);
  const bool cannot = wanted == conf::Logins::kMany && user.address.has_value();
  return cannot ? auth::Logins::kReplace : Translate(wanted);
}

absl::StatusOr<auth::LocalUsers> TranslateUsers(const conf::Model& model,
                                                const ppp::AuthProtocols& allowed,
                                                const std::vector<std::string>& pools,
                                                stack::Rng& rng) {
  std::vector<auth::LocalUser> users;
  for (const conf::User& user : model.users) {
    auth::Grants grants{user.address, std::nullopt, LoginsOf(user, model.auth.logins)};
    if (user.pool) {
      const auto pool = std::find(pools.begin(), pools.end(), *user.pool);
      if (pool == pools.end()) {
        return absl::InvalidArgumentError("user " + user.name + ": there is no pool \"" +
                                          *user.pool + "\" in use; a new one takes a restart");
      }
      grants.pool = static_cast<uint8_t>(pool - pools.begin());
    }
    users.push_back({user.name, user.password.Reveal(), grants});
  }
  return auth::LocalUsers::Create(users, allowed, rng);
}

std::shared_ptr<const crypto::ike::PskStore> TranslatePsks(const conf::Model& model) {
  const auto secret = [](const conf::SecretText& text) {
    return crypto::Secret(stack::AsBytes(text.Reveal()));
  };
  auto psks = std::make_shared<crypto::ike::PskStore>();
  if (!model.ike.psk.empty()) psks->SetWildcard(secret(model.ike.psk));
  for (const conf::Psk& psk : model.psks) psks->Add(psk.remote, secret(psk.key));
  return psks;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Credentials>> TranslateCredentials(
    const conf::Model& model, const std::vector<std::string>& pools, stack::Rng& rng) {
  const ppp::AuthProtocols allowed = Translate(model.auth.protocols);
  auto users = TranslateUsers(model, allowed, pools, rng);
  if (!users.ok()) return users.status();
  std::vector<stack::Ip4> fixed;
  for (const conf::User& user : model.users) {
    if (user.address) fixed.push_back(*user.address);
  }
  std::sort(fixed.begin(), fixed.end());
  return std::make_shared<const Credentials>(
      Credentials{*std::move(users), allowed, std::move(fixed), TranslatePsks(model)});
}

}  // namespace gateway::shard
