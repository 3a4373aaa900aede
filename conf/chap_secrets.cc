#include "conf/chap_secrets.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

#include "conf/parse.h"
#include "conf/spelling.h"
#include "conf/values.h"

namespace conf {
namespace {

constexpr size_t kMaxWord = 1023;  // octets, as pppd's MAXWORDLEN
constexpr size_t kMaxWords = 64;   // a line

struct Line {
  uint32_t number = 0;  // where it begins
  std::vector<SecretText> words;
  std::string error;  // why the line cannot be split, "" if it can

  std::string_view Word(size_t i) const { return words[i].Reveal(); }
};

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

// Splits the text into lines, and these into words.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  ~Scanner() { ScrubMemory(word_.data(), word_.size()); }
  Scanner(const Scanner&) = delete;
  Scanner& operator=(const Scanner&) = delete;

  bool AtEnd() const { return at_ == text_.size(); }
  Line Next();

 private:
  bool SkipJoint();  // a backslash before the end of the line
  void SkipRest();   // up to the end of the line
  std::string ReadWord(Line& line);
  void ReadEscape();
  void ReadNumber(size_t max_digits, int base);
  void Put(char c) {
    if (size_ < word_.size()) word_[size_] = c;
    ++size_;
  }

  std::string_view text_;
  size_t at_ = 0;
  uint32_t number_ = 1;
  std::array<char, kMaxWord> word_{};
  size_t size_ = 0;  // of the word; the part past kMaxWord is not kept
};

Line Scanner::Next() {
  Line line;
  line.number = number_;
  while (!AtEnd() && text_[at_] != '\n') {
    if (IsBlank(text_[at_])) {
      ++at_;
    } else if (text_[at_] == '#') {
      SkipRest();
    } else if (!SkipJoint()) {
      line.error = ReadWord(line);
      if (!line.error.empty()) SkipRest();
    }
  }
  if (!AtEnd()) ++at_;
  ++number_;
  return line;
}

bool Scanner::SkipJoint() {
  if (!text_.substr(at_).starts_with("\\\n")) return false;
  at_ += 2;
  ++number_;
  return true;
}

void Scanner::SkipRest() { at_ = std::min(text_.find('\n', at_), text_.size()); }

// Gives the reason why the line is unreadable, "" if it is not.
std::string Scanner::ReadWord(Line& line) {
  char quote = '\0';
  size_ = 0;
  while (!AtEnd() && text_[at_] != '\n') {
    const char c = text_[at_];
    if (quote == '\0' && (IsBlank(c) || c == '#')) break;
    if (SkipJoint()) continue;
    ++at_;
    if (c == '\\') {
      ReadEscape();
    } else if (c == quote) {
      quote = '\0';
    } else if (quote == '\0' && (c == '"' || c == '\'')) {
      quote = c;
    } else {
      Put(c);
    }
  }
  if (quote != '\0') return "a quote is not closed on its line";
  if (size_ > kMaxWord) return "a word has more than 1023 characters";
  if (line.words.size() == kMaxWords) return "has more than 64 words";
  line.words.emplace_back(std::string_view(word_.data(), size_));
  return "";
}

// What follows a backslash.
void Scanner::ReadEscape() {
  if (AtEnd()) return;
  const char c = text_[at_];
  if (c >= '0' && c <= '7') return ReadNumber(3, 8);
  ++at_;
  if (c == 'x') return ReadNumber(2, 16);
  constexpr std::string_view kLetters = "abfnrst", kMeanings = "\a\b\f\n\r \t";
  const size_t letter = kLetters.find(c);
  Put(letter == std::string_view::npos ? c : kMeanings[letter]);
}

void Scanner::ReadNumber(size_t max_digits, int base) {
  const std::string_view digits = text_.substr(at_, max_digits);
  unsigned value = 0;
  const char* end = std::from_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
  at_ += static_cast<size_t>(end - digits.data());
  Put(static_cast<char>(value & 0xff));
}

// Makes users of lines.
class Importer {
 public:
  Importer(const std::string& file, ChapSecrets& out) : file_(file), out_(out) {}

  void OnLine(const Line& line);

 private:
  void Issue(Issue::Severity severity, std::string reason) {
    out_.issues.push_back({severity, {number_, 1, file_}, "", std::move(reason)});
  }
  void Error(std::string reason) { Issue(Issue::Severity::kError, std::move(reason)); }
  void Warn(std::string reason) { Issue(Issue::Severity::kWarning, std::move(reason)); }

  bool ReadUser(const Line& line, User& user);
  bool ReadPassword(std::string_view text, User& user);
  bool ReadAddresses(const Line& line, User& user);

  const std::string& file_;
  ChapSecrets& out_;
  uint32_t number_ = 0;
};

void Importer::OnLine(const Line& line) {
  number_ = line.number;
  if (!line.error.empty()) return Error(line.error);
  if (line.words.empty()) return;
  if (line.words.size() < 3) return Error("needs a client, a server and a secret at least");
  User user;
  if (!ReadUser(line, user)) return;
  out_.users.push_back(std::move(user));
  out_.lines.push_back(number_);
}

bool Importer::ReadUser(const Line& line, User& user) {
  if (line.Word(0) == "*") {
    Warn("a secret for any client at all is left out: users have names here");
    return false;
  }
  const std::string reason = ReadLine(line.Word(0), 253, user.name);
  if (!reason.empty()) {
    Error("the client " + reason);
    return false;
  }
  return ReadPassword(line.Word(2), user) && ReadAddresses(line, user);
}

bool Importer::ReadPassword(std::string_view text, User& user) {
  if (text.starts_with('@')) {
    Error("the secret of " + Quote(user.name) +
          " is in a file of its own, which is not read: put it into this one");
    return false;
  }
  if (text.empty() || text.size() > kMaxSecret) {
    Error("the secret of " + Quote(user.name) + " must have 1.." + std::to_string(kMaxSecret) +
          " characters");
    return false;
  }
  user.password = SecretText(text);
  return true;
}

bool Importer::ReadAddresses(const Line& line, User& user) {
  for (size_t i = 3; i < line.words.size(); ++i) {
    const std::string_view word = line.Word(i);
    stack::Ip4 address;
    if (word == "*") continue;
    if (word == "-") {
      Warn(Quote(user.name) + " is left out: \"-\" allows it no address");
      return false;
    }
    if (word == "--") {
      Warn("what follows \"--\" is an option of pppd's and not looked at");
      return true;
    }
    if (!user.address && ReadHost(word, address).empty()) {
      user.address = address;
    } else {
      // Not quoted: it may be the second half of a secret.
      Warn("word " + std::to_string(i + 1) + " is not looked at: only one plain address of " +
           Quote(user.name) + " counts (and a secret with a space in it needs quotes)");
    }
  }
  return true;
}

}  // namespace

ChapSecrets ReadChapSecrets(std::string_view text, const std::string& file, size_t max_users) {
  ChapSecrets out;
  Scanner scanner(text);
  Importer importer(file, out);
  while (!scanner.AtEnd()) {
    importer.OnLine(scanner.Next());
    if (out.users.size() <= max_users) continue;
    out.issues.push_back({Issue::Severity::kError,
                          {out.lines.back(), 1, file},
                          "",
                          "more than " + std::to_string(kMaxUsers) + " users in all"});
    out.users.pop_back();
    out.lines.pop_back();
    break;
  }
  return out;
}

}  // namespace conf
