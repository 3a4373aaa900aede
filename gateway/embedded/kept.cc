#include "gateway/embedded/kept.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "conf/issue.h"
#include "conf/parse.h"

namespace gateway::embedded {
namespace {

constexpr int kKeyGroups = 4;       // 100 bits: whoever records a login can try keys at leisure
constexpr int kPasswordGroups = 3;  // is asked for inside of ESP only, and here
constexpr int kGroup = 5;
constexpr std::string_view kLetters = "abcdefghijkmnpqrstuvwxyz23456789";
static_assert(kLetters.size() == 32);

// Seldom used by homes, hotels, clouds and container hosts: a client behind a home router has its
// own network to reach, too.
constexpr std::array<std::string_view, 10> kCandidates = {
    "10.99.0.0/24",   "10.199.71.0/24",  "172.29.83.0/24",  "10.83.147.0/24", "192.168.219.0/24",
    "10.151.37.0/24", "172.30.211.0/24", "192.168.87.0/24", "10.217.5.0/24",  "10.61.173.0/24"};

constexpr std::string_view kHeading =
    "# Made by adit at its first start without a configuration: its secrets, for nobody else's\n"
    "# eyes. More users may be added. Without this file adit makes new ones.\n\n";

// A line of TOML with a basic string.
void Append(std::string& text, const char* key, std::string_view value) {
  text.append(key).append(" = \"");
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  text.append("\"\n");
}

}  // namespace

conf::SecretText ReadableSecret(stack::Rng& rng, int groups) {
  std::string text;
  text.reserve(static_cast<size_t>(groups * (kGroup + 1)));
  for (int i = 0; i < groups * kGroup; ++i) {
    std::byte drawn{};
    rng.Fill({&drawn, 1});
    if (i > 0 && i % kGroup == 0) text += '-';
    text += kLetters[static_cast<size_t>(drawn) % kLetters.size()];
  }
  conf::SecretText secret{text};
  conf::ScrubMemory(text.data(), text.size());
  return secret;
}

std::optional<stack::Prefix> FreePool(const std::vector<stack::Prefix>& used) {
  for (const std::string_view candidate : kCandidates) {
    const auto network = stack::Prefix::Parse(candidate);
    const auto overlaps = [&](const stack::Prefix& one) { return one.Overlaps(*network); };
    if (std::none_of(used.begin(), used.end(), overlaps)) return network;
  }
  return std::nullopt;
}

conf::Pool PoolIn(const stack::Prefix& network) {
  conf::Pool pool;
  pool.gateway = {network.network().value + 1};
  pool.first = {network.network().value + 2};
  pool.last = {network.broadcast().value - 1};
  return pool;
}

bool Overlaps(const conf::Pool& pool, const stack::Prefix& network) {
  const bool of_clients = network.network() <= pool.last && pool.first <= network.broadcast();
  return of_clients || network.Contains(pool.gateway);
}

Kept MakeKept(stack::Rng& rng, const stack::Prefix& network) {
  Kept kept;
  kept.psk = ReadableSecret(rng, kKeyGroups);
  conf::User& user = kept.users.emplace_back();
  user.name = "adit";
  user.password = ReadableSecret(rng, kPasswordGroups);
  kept.pool = PoolIn(network);
  return kept;
}

std::string TextOf(const Kept& kept) {
  std::string text;
  text.reserve(conf::kMaxText);  // never moved: secrets are in it
  text += kHeading;
  text += "[ike]\n";
  Append(text, "psk", kept.psk.Reveal());
  for (const conf::User& user : kept.users) {
    text += "\n[[user]]\n";
    Append(text, "name", user.name);
    Append(text, "password", user.password.Reveal());
    if (user.address) Append(text, "address", user.address->Text());
  }
  text += "\n[[pool]]\n";
  Append(text, "range", kept.pool.first.Text() + "-" + kept.pool.last.Text());
  Append(text, "gateway", kept.pool.gateway.Text());
  return text;
}

absl::StatusOr<Kept> ParseKept(std::string_view text, const std::string& file) {
  conf::Parsed parsed = conf::Parse(text);
  if (conf::HasError(parsed.issues)) {
    return absl::InvalidArgumentError(conf::TextOf(parsed.issues, file));
  }
  conf::Model& model = parsed.model;
  if (model.ike.psk.empty() || model.users.empty() || model.pools.size() != 1) {
    return absl::InvalidArgumentError(file + " lacks [ike] psk, a [[user]] or its one [[pool]]");
  }
  return Kept{std::move(model.ike.psk), std::move(model.users), std::move(model.pools.front())};
}

}  // namespace gateway::embedded
