#include "gateway/io/log.h"

// The only file that includes spdlog, which does the writing; lines are made in log_format.cc.
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <utility>

#include "gateway/io/clock.h"

namespace gateway::io {
namespace {

constexpr double kBurst = 10;       // lines of one event at once
constexpr double kPerSecond = 1;    // and after that
constexpr size_t kMaxBuckets = 64;  // events are constants of the program: there are not so many

}  // namespace

Log::Log(std::optional<uint8_t> shard, Level level, size_t lines, Waker* reader)
    : shard_(shard), level_(level), reader_(reader), pipe_(lines) {}

void Log::Line(Level level, std::string_view event, Fields fields, std::string_view text) {
  if (Wants(level)) Write(level, event, fields, text, 0);
}

void Log::Write(Level level, std::string_view event, Fields fields, std::string_view text,
                uint64_t suppressed) {
  LogRecord record;
  record.wall = WallNow();
  record.level = level;
  record.has_shard = shard_.has_value();
  record.shard = shard_.value_or(0);
  Compose(record, event, text);
  for (const Field& field : fields) Append(record, field);
  if (suppressed != 0) Append(record, {"suppressed", suppressed});
  if (!pipe_.Push(std::move(record))) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  pipe_.Publish();
  if (reader_ != nullptr) reader_->Wake();
}

Log::Bucket& Log::BucketOf(absl::Time now, std::string_view event) {
  auto bucket = std::find_if(buckets_.begin(), buckets_.end(),
                             [&](const Bucket& b) { return b.event == event; });
  if (bucket == buckets_.end()) {
    if (buckets_.size() == kMaxBuckets) return buckets_.back();
    bucket = buckets_.insert(bucket, {std::string(event), kBurst, now, 0, Level::kInfo});
  }
  const double seconds = absl::ToDoubleSeconds(now - bucket->filled);
  bucket->tokens = std::min(kBurst, bucket->tokens + seconds * kPerSecond);
  bucket->filled = now;
  return *bucket;
}

Log::Bucket* Log::Pay(absl::Time now, Level level, std::string_view event) {
  Bucket& bucket = BucketOf(now, event);
  if (bucket.tokens < 1) {
    ++bucket.suppressed;
    bucket.level = level;
    return nullptr;
  }
  bucket.tokens -= 1;
  return &bucket;
}

void Log::LineLimited(absl::Time now, Level level, std::string_view event, Fields fields,
                      std::string_view text) {
  if (!Wants(level)) return;
  Bucket* bucket = Pay(now, level, event);
  if (bucket != nullptr) Write(level, event, fields, text, std::exchange(bucket->suppressed, 0));
}

void Log::LineLimited(absl::Time now, Level level, std::string_view event, Fields fields,
                      absl::FunctionRef<std::string()> text) {
  if (!Wants(level)) return;
  Bucket* bucket = Pay(now, level, event);
  if (bucket != nullptr) Write(level, event, fields, text(), std::exchange(bucket->suppressed, 0));
}

void Log::ReportSuppressed() {
  for (Bucket& bucket : buckets_) {
    if (bucket.suppressed == 0) continue;
    Write(bucket.level, bucket.event, {}, "more of the same were not written",
          std::exchange(bucket.suppressed, 0));
  }
}

struct LogWriter::Output {
  explicit Output(const LogOptions& options) : logger("adit", Sink(options)) {
    logger.set_pattern("%v");
    logger.set_level(spdlog::level::trace);
  }
  static spdlog::sink_ptr Sink(const LogOptions& options) {
    if (options.output == LogOptions::Output::kStdout) {
      return std::make_shared<spdlog::sinks::stdout_sink_st>();
    }
    return std::make_shared<spdlog::sinks::stderr_sink_st>();
  }
  spdlog::logger logger;
};

LogWriter::LogWriter(LogOptions options) : options_(std::move(options)) {
  if (!options_.sink) output_ = std::make_unique<Output>(options_);
}

LogWriter::~LogWriter() { Drain(); }

Log& LogWriter::NewLog(std::optional<uint8_t> shard) {
  logs_.push_back(std::unique_ptr<Log>(
      new Log(shard, options_.level, options_.lines_under_way, options_.reader)));
  return *logs_.back();
}

void LogWriter::Change(Level level, bool json) {
  Drain();
  options_.level = level;
  options_.json = json;
  for (const auto& log : logs_) log->level_.store(level, std::memory_order_relaxed);
}

// Each pipe is in order; the oldest of their heads is the next line. Bounded by what the pipes
// hold, so that a thread that never stops writing cannot keep us here.
void LogWriter::Drain() {
  for (size_t left = logs_.size() * options_.lines_under_way; left != 0; --left) {
    Log* oldest = nullptr;
    for (const auto& log : logs_) {
      const LogRecord* record = log->pipe_.Front();
      if (record == nullptr) continue;
      if (oldest == nullptr || record->wall < oldest->pipe_.Front()->wall) oldest = log.get();
    }
    if (oldest == nullptr) break;
    Write(*oldest->pipe_.Front());
    oldest->pipe_.Pop();
  }
  for (const auto& log : logs_) ReportLost(*log);
  if (output_) output_->logger.flush();
}

void LogWriter::Write(const LogRecord& record) {
  line_.clear();
  if (options_.json) {
    FormatJson(record, line_);
  } else {
    FormatText(record, line_);
  }
  if (options_.sink) return options_.sink(line_);
  output_->logger.log(spdlog::level::info, spdlog::string_view_t(line_.data(), line_.size()));
}

void LogWriter::ReportLost(Log& log) {
  const uint64_t lost = log.lost_.load(std::memory_order_relaxed);
  if (lost == log.lost_told_) return;
  LogRecord record;
  record.wall = WallNow();
  record.level = Level::kWarning;
  record.has_shard = log.shard_.has_value();
  record.shard = log.shard_.value_or(0);
  Compose(record, "log_lines_lost", "log lines were lost: more than could be written");
  Append(record, {"lines", lost - std::exchange(log.lost_told_, lost)});
  Write(record);
}

}  // namespace gateway::io
