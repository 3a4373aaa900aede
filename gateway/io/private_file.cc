#include "gateway/io/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "gateway/io/fd.h"

namespace gateway::io {
namespace {

constexpr size_t kMaxSize = 64 << 10;
constexpr mode_t kOwnerOnly = 0600, kOwnersFolder = 0700, kAnybodyElse = 077;

absl::Status Failed(const char* what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", what, " ", path));
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status CheckKind(const struct stat& kind, const std::string& path) {
  if (!S_ISREG(kind.st_mode) || static_cast<size_t>(kind.st_size) > kMaxSize) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is no plain file of secrets"));
  }
  if ((kind.st_mode & kAnybodyElse) != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, " holds secrets, but not only its owner has access: chmod 600 ", path));
  }
  return absl::OkStatus();
}

absl::Status WriteAll(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("write", path);
    text.remove_prefix(static_cast<size_t>(n));
  }
  return fsync(fd) == 0 ? absl::OkStatus() : Failed("write", path);
}

}  // namespace

absl::StatusOr<std::string> ReadPrivateFile(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat kind {};
  if (!fd || fstat(fd.get(), &kind) != 0) return Failed("read", path);
  if (absl::Status right = CheckKind(kind, path); !right.ok()) return right;
  std::string text(static_cast<size_t>(kind.st_size), '\0');
  size_t have = 0;
  while (have < text.size()) {
    const ssize_t n = read(fd.get(), text.data() + have, text.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("read", path);
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  text.resize(have);
  return text;
}

absl::Status WritePrivateFile(const std::string& path, std::string_view text) {
  const std::string folder = FolderOf(path), fresh = path + ".new";
  if (mkdir(folder.c_str(), kOwnersFolder) != 0 && errno != EEXIST) return Failed("make", folder);
  unlink(fresh.c_str());  // of a start that was cut short
  const Fd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kOwnerOnly));
  if (!fd) return Failed("make", fresh);
  absl::Status written = WriteAll(fd.get(), text, fresh);
  if (written.ok() && rename(fresh.c_str(), path.c_str()) != 0) written = Failed("make", path);
  if (!written.ok()) {
    unlink(fresh.c_str());
    return written;
  }
  // The name is on disk only when its folder is.
  const Fd place(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return place && fsync(place.get()) == 0 ? absl::OkStatus() : Failed("write", folder);
}

}  // namespace gateway::io
