// Readers of single values: a text that is an address, a range, one of a few words.
//
// Each gives the reason why the text is refused, "" if it is not; only then its target is changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/model.h"
#include "conf/table.h"
#include "stack/base/address.h"

namespace conf {

// A unicast address that a host may have: no loopback, "this network" (RFC 6890), class D or E.
bool IsHostAddress(stack::Ip4 ip);

// ---- Functions of the text ----

std::string ReadHost(std::string_view text, stack::Ip4& to);
// A network without host bits; a bare address is one of length 32.
std::string ReadNetwork(std::string_view text, stack::Prefix& to);
// 1..max octets without control characters.
std::string ReadLine(std::string_view text, size_t max, std::string& to);
std::string ReadInterfaceName(std::string_view text, std::string& to);
// "dhcp", or an address with the length of its network.
std::string ReadInterfaceAddress(std::string_view text, Interface& to);
std::string ReadMac(std::string_view text, std::optional<stack::Mac>& to);
// "first-last", or a network, of which the two ends are left out.
std::string ReadPoolRange(std::string_view text, Pool& to);
std::string ReadPorts(std::string_view text, Nat& to);
// A DNS name, RFC 1123 section 2.1, but with the underscores of real life.
std::string ReadDomain(std::string_view text, std::string& to);
// CPUs as taskset(1) lists them: "1", "0-3,8". Each once, in the order given.
std::string ReadCpus(std::string_view text, std::vector<uint16_t>& to);
// The name of an environment variable.
std::string ReadVariable(std::string_view text, std::string& to);
// Which of `words` it is.
std::string ReadWord(std::string_view text, const std::vector<std::string_view>& words, size_t& to);

// ---- The same as readers into a target, which must outlive them ----

TextReader Host(stack::Ip4& to);
TextReader Host(std::optional<stack::Ip4>& to);
TextReader Hosts(std::vector<stack::Ip4>& to);  // adds one
TextReader Network(stack::Prefix& to);
TextReader Networks(std::vector<stack::Prefix>& to);  // adds one
TextReader Line(std::string& to, size_t max);
TextReader Cpus(std::vector<uint16_t>& to);

// One of `words`, which name the enumerators of E in their order from 0.
template <class E>
TextReader Choice(E& to, std::vector<std::string_view> words) {
  return [&to, words = std::move(words)](std::string_view text) {
    size_t index = 0;
    std::string reason = ReadWord(text, words, index);
    if (reason.empty()) to = static_cast<E>(index);
    return reason;
  };
}

}  // namespace conf
