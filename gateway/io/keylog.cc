#include "gateway/io/keylog.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace gateway::io {
namespace {

absl::Status Fault(const std::string& path) {
  return absl::UnavailableError(path + ": " + std::strerror(errno));
}

absl::StatusOr<int> OpenForOwner(const std::string& path) {
  const int fd =
      open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (fd < 0) return Fault(path);
  if (fchmod(fd, S_IRUSR | S_IWUSR) == 0) return fd;
  const absl::Status fault = Fault(path);
  close(fd);
  return fault;
}

void WriteLine(int fd, std::string line) {
  line += '\n';
  [[maybe_unused]] const ssize_t written = write(fd, line.data(), line.size());
}

std::string Hex(uint64_t number, size_t octets) {
  std::array<std::byte, 8> bytes;
  stack::Store64(bytes.data(), number);
  return stack::ToHex(stack::ByteView(bytes).last(octets));
}

std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }
std::string Quoted(stack::ByteView key) {
  return key.empty() ? "\"\"" : "\"0x" + stack::ToHex(key) + "\"";
}

}  // namespace

absl::StatusOr<std::unique_ptr<KeyLog>> KeyLog::Open(const std::string& directory) {
  if (mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST) return Fault(directory);
  auto log = std::unique_ptr<KeyLog>(new KeyLog());
  const auto ike = OpenForOwner(directory + "/ikev1_decryption_table");
  if (!ike.ok()) return ike.status();
  log->ike_ = *ike;
  const auto esp = OpenForOwner(directory + "/esp_sa");
  if (!esp.ok()) return esp.status();
  log->esp_ = *esp;
  return log;
}

KeyLog::~KeyLog() {
  if (ike_ >= 0) close(ike_);
  if (esp_ >= 0) close(esp_);
}

void KeyLog::Ike(uint64_t initiator_cookie, stack::ByteView key) {
  WriteLine(ike_, Hex(initiator_cookie, 8) + "," + stack::ToHex(key));
}

void KeyLog::Esp(const EspSa& sa) {
  WriteLine(esp_, "\"IPv4\"," + Quoted(sa.from) + "," + Quoted(sa.to) + ",\"0x" + Hex(sa.spi, 4) +
                      "\"," + Quoted(sa.cipher) + "," + Quoted(sa.cipher_key) + "," +
                      Quoted(sa.auth) + "," + Quoted(sa.auth_key));
}

}  // namespace gateway::io
