#include "gateway/shard/read_along.h"

#include <string>
#include <string_view>

namespace gateway::shard {
namespace {

namespace ike = crypto::ike;

std::string_view WiresharkNameOf(ike::EspCipher cipher) {
  switch (cipher) {
    case ike::EspCipher::kTripleDes:
      return "TripleDES-CBC [RFC2451]";
    case ike::EspCipher::kAesGcm16:
      return "AES-GCM with 16 octet ICV [RFC4106]";
    default:
      return "AES-CBC [RFC3602]";
  }
}

std::string_view WiresharkNameOf(ike::EspAuth auth) {
  switch (auth) {
    case ike::EspAuth::kHmacSha1:
      return "HMAC-SHA-1-96 [RFC2404]";
    case ike::EspAuth::kHmacSha2_256:
      return "HMAC-SHA-256-128 [RFC4868]";
    case ike::EspAuth::kHmacSha2_384:
      return "HMAC-SHA-384-192 [RFC4868]";
    case ike::EspAuth::kHmacSha2_512:
      return "HMAC-SHA-512-256 [RFC4868]";
    default:
      return "NULL";  // the cipher authenticates
  }
}

}  // namespace

void WriteKeys(io::KeyLog& log, const ike::KeyLog& phase_one) {
  log.Ike(phase_one.initiator_cookie, phase_one.key.view());
}

void WriteKeys(io::KeyLog& log, const ike::ChildReady& child) {
  const std::string ours = child.path.local.ip.Text();
  const std::string_view cipher = WiresharkNameOf(child.suite.cipher);
  const std::string_view auth = WiresharkNameOf(child.suite.auth);
  log.Esp(
      {"*", ours, child.spi_in.value, cipher, child.in.cipher.view(), auth, child.in.auth.view()});
  log.Esp({ours, "*", child.spi_out.value, cipher, child.out.cipher.view(), auth,
           child.out.auth.view()});
}

}  // namespace gateway::shard
