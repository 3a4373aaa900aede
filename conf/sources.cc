#include "conf/sources.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "conf/chap_secrets.h"
#include "conf/spelling.h"

namespace conf {
namespace {

constexpr unsigned kOthers = 077;  // every right of anybody but the owner

std::string ModeText(unsigned mode) {
  std::string text = "0000";
  for (size_t i = 3; mode != 0 && i > 0; --i, mode >>= 3U) {
    text[i] = static_cast<char>('0' + (mode & 7U));
  }
  return text;
}

// What an editor or `echo` put behind the first line is no part of the secret.
std::string_view FirstLine(std::string_view text) {
  std::string_view line = text.substr(0, text.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

class Bringer {
 public:
  Bringer(const Sources& sources, const std::string& folder, Parsed& parsed)
      : sources_(sources), folder_(folder), parsed_(parsed) {
    for (const User& user : parsed.model.users) names_.insert(user.name);
  }

  void BringPsk(const ElsewherePsk& psk);
  void BringUsers(size_t i);

 private:
  void Add(Issue::Severity severity, const std::string& key, std::string reason) {
    if (severity == Issue::Severity::kError) parsed_.places.MarkBad(key);
    parsed_.issues.push_back({severity, parsed_.places.Of(key), key, std::move(reason)});
  }
  void Error(const std::string& key, std::string reason) {
    Add(Issue::Severity::kError, key, std::move(reason));
  }
  void Warn(const std::string& key, std::string reason) {
    Add(Issue::Severity::kWarning, key, std::move(reason));
  }

  std::string PathOf(const std::string& name) const {
    return (std::filesystem::path(folder_) / name).string();  // an absolute name stays as it is
  }
  std::optional<SecretText> ReadFile(const std::string& key, const std::string& path, size_t max);
  void AddUser(User user, uint32_t line, const std::string& path);

  const Sources& sources_;
  const std::string& folder_;
  Parsed& parsed_;
  std::set<std::string, std::less<>> names_;  // of all users so far
};

std::optional<SecretText> Bringer::ReadFile(const std::string& key, const std::string& path,
                                            size_t max) {
  absl::StatusOr<Sources::File> file = sources_.ReadFile(path, max);
  if (!file.ok()) {
    Error(key, Quote(path) + " cannot be read: " + std::string(file.status().message()));
    return std::nullopt;
  }
  if ((file->mode & kOthers) != 0) {
    Warn(key, Quote(path) + " has mode " + ModeText(file->mode) +
                  ": others than its owner may get at the secret");
  }
  return std::move(file->text);
}

void Bringer::BringPsk(const ElsewherePsk& psk) {
  const bool in_file = psk.where == ElsewherePsk::Where::kFile;
  const std::string path = PathOf(psk.name);
  constexpr size_t kLineEnd = 2;  // CR and LF
  std::optional<SecretText> text =
      in_file ? ReadFile(psk.key, path, kMaxSecret + kLineEnd + 1) : sources_.Variable(psk.name);
  if (!text) {
    if (!in_file) Error(psk.key, psk.name + " is not set in the environment");
    return;
  }
  const std::string_view key = in_file ? FirstLine(text->Reveal()) : text->Reveal();
  if (key.empty() || key.size() > kMaxSecret) {
    const std::string where = in_file ? "the first line of " + Quote(path) : psk.name;
    return Error(psk.key, where + (key.empty() ? " is empty" : " has more than 256 characters"));
  }
  (psk.psk ? parsed_.model.psks[*psk.psk].key : parsed_.model.ike.psk) = SecretText(key);
}

void Bringer::BringUsers(size_t i) {
  const std::string key = "auth.chap_secrets";
  const std::string path = PathOf(parsed_.model.auth.chap_secrets[i]);
  const std::optional<SecretText> text = ReadFile(key, path, kMaxText + 1);
  if (!text) return;
  if (text->size() > kMaxText) return Error(key, Quote(path) + " is larger than 1 MiB");
  ChapSecrets read = ReadChapSecrets(text->Reveal(), path, kMaxUsers - parsed_.model.users.size());
  for (size_t u = 0; u < read.users.size(); ++u) {
    AddUser(std::move(read.users[u]), read.lines[u], path);
  }
  Append(parsed_.issues, std::move(read.issues));
}

void Bringer::AddUser(User user, uint32_t line, const std::string& path) {
  const Place place{line, 1, path};
  if (!names_.insert(user.name).second) {
    parsed_.issues.push_back({Issue::Severity::kWarning, place, "",
                              Quote(user.name) + " is there already: this line is left out"});
    return;
  }
  parsed_.places.Set("user[" + std::to_string(parsed_.model.users.size()) + "]", place);
  parsed_.model.users.push_back(std::move(user));
}

}  // namespace

absl::StatusOr<SecretText> ReadBeginning(const std::string& path, size_t max) {
  const auto why = [](int error) {
    return absl::UnavailableError(std::generic_category().message(error));
  };
  const auto close = [](std::FILE* file) { std::fclose(file); };
  const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "rb"), close);
  if (!file) return why(errno);
  std::setvbuf(file.get(), nullptr, _IONBF, 0);  // no buffer that nobody scrubs
  std::string bytes(max, '\0');
  errno = 0;
  const size_t size = std::fread(bytes.data(), 1, bytes.size(), file.get());
  const int error = errno;
  SecretText text(std::string_view(bytes).substr(0, size));
  ScrubMemory(bytes.data(), bytes.size());
  if (std::ferror(file.get()) != 0) return why(error);
  return text;
}

absl::StatusOr<Sources::File> HostSources::ReadFile(const std::string& path, size_t max) const {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return absl::InvalidArgumentError("it is no regular file");  // a pipe would hold up a reload
  }
  absl::StatusOr<SecretText> text = ReadBeginning(path, max);
  if (!text.ok()) return text.status();
  return File{*std::move(text), static_cast<unsigned>(status.permissions()) & 0777U};
}

std::optional<SecretText> HostSources::Variable(const std::string& name) const {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return SecretText(value);
}

void BringSecrets(const Sources& sources, const std::string& folder, Parsed& parsed) {
  Bringer bringer(sources, folder, parsed);
  for (const ElsewherePsk& psk : parsed.elsewhere) bringer.BringPsk(psk);
  for (size_t i = 0; i < parsed.model.auth.chap_secrets.size(); ++i) bringer.BringUsers(i);
}

}  // namespace conf
