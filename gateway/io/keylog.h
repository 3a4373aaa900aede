// The keys of clients' sessions in a form that Wireshark reads: to look into a capture of one's own
// gateway. A debugging option, said out loud at start: whoever has these files and a capture reads
// everything.
//
//   DIR/ikev1_decryption_table   initiator cookie, key                    of each phase 1
//   DIR/esp_sa                   ends, SPI, algorithms, keys              of each ESP SA
//
// The names are those of Wireshark's own tables, so DIR can be its configuration folder:
//
//   WIRESHARK_CONFIG_DIR=DIR tshark -o esp.enable_encryption_decode:TRUE -r capture.pcap
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "stack/base/bytes.h"

namespace gateway::io {

class KeyLog {
 public:
  // Makes the directory if it is missing. The files are for their owner alone (mode 0600, also if
  // they were there before) and are appended to. Errors are for people.
  static absl::StatusOr<std::unique_ptr<KeyLog>> Open(const std::string& directory);
  ~KeyLog();
  KeyLog(const KeyLog&) = delete;
  KeyLog& operator=(const KeyLog&) = delete;

  // From any thread: a line is one write to a file opened for appending. Waits for the disk. What
  // cannot be written is lost.
  void Ike(uint64_t initiator_cookie, stack::ByteView key);

  // Algorithms by Wireshark's names; an address may be "*".
  struct EspSa {
    std::string_view from, to;
    uint32_t spi;
    std::string_view cipher;
    stack::ByteView cipher_key;
    std::string_view auth;
    stack::ByteView auth_key;
  };
  void Esp(const EspSa& sa);

 private:
  KeyLog() = default;

  int ike_ = -1, esp_ = -1;
};

}  // namespace gateway::io
