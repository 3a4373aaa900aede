// Log lines: written by any thread without ever waiting, formatted by one.
//
//   shards, crew: Log::Line  ->  bounded pipe a thread  ->  LogWriter::Drain (control thread)  ->
//   output
//
// A line has a level, the time, the shard, an event name that never changes (for machines), fields,
// and a text for people:
//
//   2026-01-01T12:00:00.123Z info  [1] login: phase 1 up  peer=203.0.113.10:4500 id="my phone"
//   {"time":"2026-01-01T12:00:00.123Z","level":"info","shard":1,"event":"phase1_up",
//    "text":"login: phase 1 up","peer":"203.0.113.10:4500","id":"my phone"}             (one line)
//
// Whatever comes from a stranger is made harmless in both formats: control characters, broken UTF-8
// and marks that change the direction of writing are escaped. Lines a stranger can cause go through
// LineLimited. If a pipe is full the line is lost, and the number of lost lines is reported. Never
// put a secret into a line.
#pragma once

#include <array>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "gateway/io/event_loop.h"
#include "gateway/io/spsc_ring.h"
#include "stack/base/address.h"
#include "stack/base/bytes.h"

namespace gateway::io {

enum class Level : uint8_t { kDebug, kInfo, kWarning, kError };

std::string_view NameOf(Level level);                 // "debug", "info", "warning", "error"
std::optional<Level> LevelOf(std::string_view name);  // the names above

// One key and its value, borrowed for the call. Keys are lower-case identifiers of ours, and none
// of time, level, shard, event, text.
class Field {
 public:
  Field(std::string_view key, std::string_view value) : key_(key), text_(value) {}
  Field(std::string_view key, const char* value) : key_(key), text_(value) {}
  Field(std::string_view key, const std::string& value) : key_(key), text_(value) {}
  Field(std::string_view key, stack::ByteView value)  // bytes of a message, as text
      : key_(key), text_(stack::AsText(value)) {}
  template <std::integral T>
  Field(std::string_view key, T value)
      : key_(key),
        kind_(std::is_same_v<T, bool> ? Kind::kBool
              : std::is_signed_v<T>   ? Kind::kSigned
                                      : Kind::kUnsigned),
        number_(static_cast<uint64_t>(value)) {}
  Field(std::string_view key, stack::Ip4 value)
      : key_(key), kind_(Kind::kIp4), number_(value.value) {}
  Field(std::string_view key, const stack::Endpoint& value)
      : key_(key), kind_(Kind::kEndpoint), number_((uint64_t{value.ip.value} << 16) | value.port) {}
  Field(std::string_view key, absl::Duration value)  // written in seconds with milliseconds
      : key_(key),
        kind_(Kind::kMilliseconds),
        number_(static_cast<uint64_t>(absl::ToInt64Milliseconds(value))) {}

  enum class Kind : uint8_t { kText, kSigned, kUnsigned, kBool, kIp4, kEndpoint, kMilliseconds };
  std::string_view key() const { return key_; }
  Kind kind() const { return kind_; }
  std::string_view text() const { return text_; }  // kText
  uint64_t number() const { return number_; }      // the others

 private:
  std::string_view key_;
  Kind kind_ = Kind::kText;
  std::string_view text_;
  uint64_t number_ = 0;
};

// A line on its way, of fixed size. What does not fit is cut off, and the line says so.
struct LogRecord {
  static constexpr size_t kRoom = 992;

  absl::Time wall;
  Level level = Level::kInfo;
  uint8_t shard = 0;
  bool has_shard = false;
  bool cut = false;
  uint16_t used = 0;
  std::array<std::byte, kRoom> body;  // event, text, fields, length-prefixed
};

// The pen of one thread. Not to be shared between threads.
class Log {
 public:
  using Fields = std::initializer_list<Field>;

  // `event` is a constant of the program such as "phase1_up".
  void Line(Level level, std::string_view event, Fields fields, std::string_view text);
  void Debug(std::string_view event, Fields fields, std::string_view text) {
    Line(Level::kDebug, event, fields, text);
  }
  void Info(std::string_view event, Fields fields, std::string_view text) {
    Line(Level::kInfo, event, fields, text);
  }
  void Warning(std::string_view event, Fields fields, std::string_view text) {
    Line(Level::kWarning, event, fields, text);
  }
  void Error(std::string_view event, Fields fields, std::string_view text) {
    Line(Level::kError, event, fields, text);
  }

  // The same for what a stranger can cause as often as he likes: of one event, 10 lines at once and
  // 1 a second are written, and the next one that is written carries the number suppressed before
  // it. `now` is monotonic.
  void LineLimited(absl::Time now, Level level, std::string_view event, Fields fields,
                   std::string_view text);
  // The same where composing the text costs something: it is asked for if it will be written.
  void LineLimited(absl::Time now, Level level, std::string_view event, Fields fields,
                   absl::FunctionRef<std::string()> text);
  // Writes a line for each event that still has suppressed lines nobody has told of. Call now and
  // then.
  void ReportSuppressed();

  // Whether Line at this level would be written, for callers with costly fields.
  bool Wants(Level level) const { return level >= level_.load(std::memory_order_relaxed); }

 private:
  friend class LogWriter;
  struct Bucket {
    std::string event;
    double tokens = 0;
    absl::Time filled;
    uint64_t suppressed = 0;
    Level level = Level::kInfo;  // of the last suppressed line
  };
  Log(std::optional<uint8_t> shard, Level level, size_t lines, Waker* reader);
  Bucket& BucketOf(absl::Time now, std::string_view event);
  // What paid for a line; nullptr, and counted, if there is nothing left to pay with.
  Bucket* Pay(absl::Time now, Level level, std::string_view event);
  void Write(Level level, std::string_view event, Fields fields, std::string_view text,
             uint64_t suppressed);

  const std::optional<uint8_t> shard_;
  std::atomic<Level> level_;  // set by the control thread
  Waker* const reader_;
  SpscQueue<LogRecord> pipe_;
  std::atomic<uint64_t> lost_{0};
  uint64_t lost_told_ = 0;  // the writer's
  std::vector<Bucket> buckets_;
};

struct LogOptions {
  Level level = Level::kInfo;
  bool json = false;
  enum class Output : uint8_t { kStderr, kStdout } output = Output::kStderr;
  size_t lines_under_way = 512;  // a thread; about 1 KB each
  Waker* reader = nullptr;       // woken when there is something to drain
  // Instead of `output`, for tests: gets each line without its newline.
  std::function<void(std::string_view line)> sink;
};

// The only place where lines are formatted and written; belongs to the control thread.
class LogWriter {
 public:
  explicit LogWriter(LogOptions options);
  ~LogWriter();  // drains a last time; no Log may be in use any more
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // A pen for one more thread, good as long as the writer. `shard` is printed with its lines. To be
  // called before that thread starts, by the control thread.
  Log& NewLog(std::optional<uint8_t> shard = std::nullopt);

  // For the lines that come from now on.
  void Change(Level level, bool json);

  // Writes everything that has arrived, oldest first across threads, and flushes.
  void Drain();

 private:
  struct Output;
  void Write(const LogRecord& record);
  void ReportLost(Log& log);

  LogOptions options_;
  std::unique_ptr<Output> output_;
  std::vector<std::unique_ptr<Log>> logs_;
  std::string line_;
};

// How a record is filled, and how it becomes a line without newline (appended to `line`):
// log_format.cc.
void Compose(LogRecord& record, std::string_view event, std::string_view text);
void Append(LogRecord& record, const Field& field);
void FormatText(const LogRecord& record, std::string& line);
void FormatJson(const LogRecord& record, std::string& line);

}  // namespace gateway::io
