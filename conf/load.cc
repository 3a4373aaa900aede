#include "conf/load.h"

#include <filesystem>
#include <utility>

#include "conf/parse.h"
#include "conf/validate.h"

namespace conf {

Loaded Load(std::string_view text, std::string file, const Sources& sources) {
  Parsed parsed = Parse(text);
  // Without syntax there is nothing to judge, and its one issue would drown in what then is
  // missing.
  if (parsed.is_toml) {
    BringSecrets(sources, std::filesystem::path(file).parent_path().string(), parsed);
    Append(parsed.issues, Validate(parsed.model, parsed.places));
    SortByPlace(parsed.issues);
  }
  return {std::move(parsed.model), std::move(parsed.issues), std::move(file)};
}

Loaded LoadFile(const std::string& path) {
  const absl::StatusOr<SecretText> text = ReadBeginning(path, kMaxText + 1);
  if (text.ok()) return Load(text->Reveal(), path);
  Loaded failed;
  failed.file = path;
  failed.issues.push_back(
      {Issue::Severity::kError, {}, "", "cannot be read: " + std::string(text.status().message())});
  return failed;
}

}  // namespace conf
