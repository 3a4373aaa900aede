// What a person types into a client, by kind of client.
#pragma once

#include <string>
#include <string_view>

#include "stack/base/address.h"

namespace gateway::embedded {

struct Access {
  stack::Ip4 server;
  std::string_view psk, user, password;  // borrowed
};

// Some lines of text with the secrets in them, for a terminal; to be scrubbed.
std::string Instructions(const Access& access);

}  // namespace gateway::embedded
