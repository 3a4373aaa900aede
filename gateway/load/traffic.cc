#include "gateway/load/traffic.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gateway::load {
namespace {

using stack::PacketBuf;
using stack::wire::IpProtocol;

// The ports of stream number 0 at both ends.
constexpr uint16_t kClientPort = 40000, kFarPort = 5201;
// A stream that is further behind than this has lost its beat.
constexpr double kCatchUpSeconds = 0.01;
constexpr size_t kAtOnce = 256;  // packets of a stream in one round
constexpr size_t kHellosAtOnce = 64;
constexpr double kRefreshSeconds = 10;
constexpr absl::Duration kHelloAgain = absl::Milliseconds(300);
constexpr absl::Duration kPathLimit = absl::Seconds(5);
constexpr double kHellosASecond = 2000;  // more time for more clients
constexpr size_t kMostSuperframe = 65000;
constexpr uint32_t kBurst = 32;
// Checksums of the packets that come back are verified on one in so many; the payload's own pattern
// is on all.
constexpr uint32_t kSumOneIn = 16;
constexpr double kLone = 1000;  // packets a second, and fewer: each leaves by itself

uint32_t Microseconds(absl::Time now) {
  return std::max(1U, static_cast<uint32_t>(absl::ToUnixMicros(now)));
}

bool IsOfLonePackets(const Stream& stream) { return stream.spec.rate <= kLone; }

uint32_t BurstOf(const Options& options, const TrafficSpec& spec) {
  const bool one_frame = spec.up ? options.gso : spec.tcp || options.far_gso;
  const size_t room = spec.up ? spec.size + 100U : spec.size - HeadersOf(spec.tcp);
  const auto most = static_cast<uint32_t>(std::min<size_t>(64, kMostSuperframe / room));
  if (!one_frame) return std::max(1U, options.burst);
  return std::min(options.burst == 0 ? kBurst : options.burst, most);
}

}  // namespace

// ---- Pace -------------------------------------------------------------------------------------

void Pace::Begin(absl::Time now, double rate) {
  begin_ = now;
  rate_ = rate;
  issued_ = missed_ = 0;
  running_ = true;
}

size_t Pace::Due(absl::Time now, size_t most, size_t step) {
  if (!running_) return 0;
  if (rate_ <= 0) return std::max(step, most / step * step);
  const auto due = static_cast<uint64_t>(absl::ToDoubleSeconds(now - begin_) * rate_);
  if (due <= issued_) return 0;
  const uint64_t patience =
      std::max<uint64_t>(most, static_cast<uint64_t>(rate_ * kCatchUpSeconds)) + step;
  if (due - issued_ > patience) {
    missed_ += due - issued_ - patience;
    issued_ = due - patience;
  }
  const size_t count = std::min<uint64_t>(due - issued_, std::max(most, step)) / step * step;
  issued_ += count;
  return count;
}

absl::Time Pace::Next(size_t step) const {
  if (!running_) return absl::InfiniteFuture();
  if (rate_ <= 0) return absl::InfinitePast();
  return begin_ + absl::Seconds(static_cast<double>(issued_ + step) / rate_);
}

// ---- Traffic ----------------------------------------------------------------------------------

Traffic::Traffic(const Environment& environment)
    : env_(environment),
      options_(*env_.options),
      pinger_(options_.ping_client - 1, env_.far != nullptr ? env_.far->address() : stack::Ip4{},
              options_.ping_interval) {
  for (const TrafficSpec& spec : options_.traffic) {
    Stream& stream = streams_.emplace_back();
    stream.spec = spec;
    stream.number = static_cast<uint8_t>(streams_.size() - 1);
    stream.burst = BurstOf(options_, spec);
    stream.tracks.resize(options_.clients);
    stream.places.resize(options_.clients);
  }
}

Flow Traffic::FlowOf(const Stream& stream, uint32_t client) const {
  return {{fleet_->UpOf(client).address, static_cast<uint16_t>(kClientPort + stream.number)},
          {env_.far->address(), static_cast<uint16_t>(kFarPort + stream.number)},
          stream.spec.tcp};
}

Stream* Traffic::StreamAt(uint16_t port, uint16_t base, const Segment& segment) {
  const size_t number = static_cast<size_t>(port) - base;
  if (port < base || number >= streams_.size()) return nullptr;
  const bool is_tcp = segment.protocol == IpProtocol::kTcp;
  return streams_[number].spec.tcp == is_tcp ? &streams_[number] : nullptr;
}

// ---- Paths ------------------------------------------------------------------------------------

void Traffic::ForgetPaths() {
  paths_since_ = absl::InfiniteFuture();
  for (Stream& stream : streams_) {
    if (stream.spec.tcp) continue;
    stream.clients.clear();
    for (FarPlace& place : stream.places) place = {};
  }
}

bool Traffic::MakePaths(absl::Time now) {
  if (paths_since_ == absl::InfiniteFuture()) paths_since_ = now;
  const double flows = static_cast<double>(streams_.size()) * fleet_->up();
  const absl::Duration limit = kPathLimit + absl::Seconds(flows / kHellosASecond);
  size_t there = 0;
  for (const Stream& stream : streams_) there += stream.clients.size();
  const size_t wanted = streams_.size() * fleet_->up();
  without_path_ = wanted > there ? wanted - there : 0;
  if (without_path_ == 0 || now - paths_since_ > limit) return true;
  for (size_t said = 0; said < kHellosAtOnce;) {
    if (hello_stream_ == streams_.size()) {
      if (now - round_since_ < kHelloAgain) break;
      round_since_ = now;
      hello_stream_ = 0;
    }
    const Stream& stream = streams_[hello_stream_];
    const uint32_t client = hello_client_++;
    if (fleet_->IsUp(client) && stream.places[client].at.port == 0) {
      SayHello(now, stream, client);
      ++said;
    }
    if (hello_client_ == options_.clients) {
      hello_client_ = 0;
      ++hello_stream_;
    }
  }
  fleet_->FlushSends();
  return false;
}

void Traffic::SayHello(absl::Time now, const Stream& stream, uint32_t client) {
  const Flow flow = FlowOf(stream, client);
  Mark mark;
  mark.kind = Mark::Kind::kHello;
  mark.stream = stream.number;
  mark.client = client;
  fleet_->Send(now, client,
               stream.spec.tcp ? MakeHandshake(*env_.pool, flow, tcp_flags::kSyn)
                               : MakePacket(*env_.pool, flow, kUdpHeaders + Mark::kMinSize, mark),
               {});
}

// RFC 4787 section 4.3: a NAT may forget a mapping that nothing leaves by, after two minutes or
// less.
void Traffic::Refresh(absl::Time now, Stream& stream) {
  for (size_t due = stream.refresh.Due(now, kHellosAtOnce, 1); due > 0; --due) {
    stream.refreshed = (stream.refreshed + 1) % stream.clients.size();
    const uint32_t client = stream.clients[stream.refreshed];
    if (fleet_->IsUp(client)) SayHello(now, stream, client);
  }
}

void Traffic::OnHello(Stream& stream, const Mark& mark, const FarPlace& from) {
  if (mark.client >= stream.places.size()) return;
  FarPlace& place = stream.places[mark.client];
  if (place.at.port == 0) stream.clients.push_back(mark.client);
  place = from;
}

// ---- Arrivals ---------------------------------------------------------------------------------

void Traffic::OnInner(absl::Time now, uint32_t client, stack::ByteView bytes) {
  const auto ip = stack::wire::Ip4Packet::Parse(bytes);
  const auto segment = ip.ok() ? ReadSegment(*ip) : std::nullopt;
  if (!segment) return;
  if (segment->protocol == IpProtocol::kIcmp) {
    if (segment->flags == 0) pinger_.OnReply(now, client, *segment);
    return;
  }
  Stream* const stream = StreamAt(segment->to.port, kClientPort, *segment);
  if (stream == nullptr) return;
  constexpr uint8_t kSynAck = tcp_flags::kSyn | tcp_flags::kAck;
  if (stream->spec.tcp && (segment->flags & kSynAck) == kSynAck) {
    const Mark mark{Mark::Kind::kHello, stream->number, client, 0, 0};
    const Flow flow = FlowOf(*stream, client);
    fleet_->Send(now, client, MakePacket(*env_.pool, flow, kTcpHeaders + Mark::kMinSize, mark), {});
    return fleet_->FlushSends();
  }
  const auto mark = ReadMark(segment->payload);
  if (!mark || mark->client != client) {
    ++stream->tally.corrupt;
    return;
  }
  const bool sums = mark->sequence % kSumOneIn != 0 || ChecksumHolds(*segment);
  Judge(now, *stream, Mark::Kind::kDown, *mark,
        sums && ip->ChecksumHolds() && IsIntact(segment->payload));
}

void Traffic::OnFar(absl::Time now, const Arrival& arrival) {
  const Segment& segment = arrival.segment;
  Stream* const stream = StreamAt(segment.to.port, kFarPort, segment);
  if (stream == nullptr) return;
  if (stream->spec.tcp && segment.flags == tcp_flags::kSyn) {
    const Flow back{segment.to, segment.from, true};
    constexpr uint8_t kSynAck = tcp_flags::kSyn | tcp_flags::kAck;
    return env_.far->Send(MakeHandshake(*env_.pool, back, kSynAck), arrival.from, {}, {});
  }
  stack::ByteView left = segment.payload;
  while (!left.empty()) {
    const stack::ByteView payload = left.first(std::min(arrival.size, left.size()));
    left = left.subspan(payload.size());
    const auto mark = ReadMark(payload);
    if (!mark) {
      ++stream->tally.corrupt;
      continue;
    }
    const bool look = arrival.sum_is_due && mark->sequence % kSumOneIn == 0;
    const bool intact = IsIntact(payload) && (!look || ChecksumHolds(segment));
    if (mark->kind == Mark::Kind::kHello && intact) {
      OnHello(*stream, *mark, arrival.from);
    } else {
      Judge(now, *stream, Mark::Kind::kUp, *mark, intact);
    }
  }
}

void Traffic::Judge(absl::Time now, Stream& stream, Mark::Kind kind, const Mark& mark,
                    bool intact) {
  if (!intact || mark.kind != kind || mark.stream != stream.number ||
      mark.client >= stream.tracks.size()) {
    ++stream.tally.corrupt;
    return;
  }
  if (!stream.tracks[mark.client].OnArrival(mark.sequence, stream.spec.size, stream.tally)) return;
  if (mark.sent == 0) return;
  stream.tally.latency.Add(uint64_t{1000} * (Microseconds(now) - mark.sent));
}

// ---- Sending ----------------------------------------------------------------------------------

bool Traffic::Prepare(absl::Time now) {
  for (Stream& stream : streams_) {
    if (!stream.spec.up || options_.prepare <= 0 || stream.clients.empty()) continue;
    if (stream.prepared.packets() >= PreparedWanted(stream)) continue;
    env_.near_outlet->PutAside(&stream.prepared);
    preparing_ = true;
    for (size_t made = 0; made < kAtOnce; made += stream.burst) {
      SendBurst(now, stream, stream.burst);
    }
    fleet_->FlushSends();
    env_.near_outlet->PutAside(nullptr);
    preparing_ = false;
    return false;
  }
  return true;
}

// A search comes to rates that nobody has asked whether there is memory for.
size_t Traffic::PreparedWanted(const Stream& stream) const {
  const double seconds =
      options_.find_rate
          ? std::min(options_.prepare, absl::ToDoubleSeconds(options_.warmup + options_.step) + 0.1)
          : options_.prepare;
  const uint64_t room = options_.prepare_memory / (stream.spec.size + kPreparedAround);
  return std::min<uint64_t>(static_cast<uint64_t>(seconds * stream.spec.rate), room);
}

void Traffic::Begin(absl::Time now) {
  for (Stream& stream : streams_) {
    stream.pace.Begin(now, stream.spec.rate);
    if (stream.spec.up || stream.spec.tcp || stream.clients.empty()) continue;
    stream.refresh.Begin(now, static_cast<double>(stream.clients.size()) / kRefreshSeconds);
  }
}

void Traffic::Measure(absl::Time now) {
  env_.near_outlet->Flush();
  for (Stream& stream : streams_) {
    stream.tally = {};
    stream.pace.ForgetMissed();
    for (Track& track : stream.tracks) track.Begin();
  }
  pinger_.Begin(now);
}

void Traffic::End() {
  for (Stream& stream : streams_) {
    stream.pace.End();
    stream.refresh.End();
    stream.prepared.Clear();
  }
}

bool Traffic::Generate(absl::Time now) {
  bool any = false;
  for (Stream& stream : streams_) {
    if (stream.clients.empty()) continue;
    Refresh(now, stream);
    size_t due = stream.pace.Due(now, kAtOnce, stream.burst);
    any |= due > 0;
    if (due > 0 && IsOfLonePackets(stream)) last_left_ = now;
    if (options_.prepare > 0 && stream.spec.up) {
      if (due > 0) stream.prepared.Send(due, *env_.near_outlet);
      continue;
    }
    for (; due > 0; due -= stream.burst) SendBurst(now, stream, stream.burst);
  }
  fleet_->FlushSends();
  return any;
}

void Traffic::SendBurst(absl::Time now, Stream& stream, size_t count) {
  stream.cursor = (stream.cursor + 1) % stream.clients.size();
  const uint32_t client = stream.clients[stream.cursor];
  if (!fleet_->IsUp(client)) return;
  stream.spec.up ? SendUp(now, stream, client, count) : SendDown(now, stream, client, count);
}

void Traffic::SendUp(absl::Time now, Stream& stream, uint32_t client, size_t count) {
  const Flow flow = FlowOf(stream, client);
  Track& track = stream.tracks[client];
  const uint32_t made = preparing_ ? 0 : Microseconds(Time(now));
  for (size_t i = 0; i < count; ++i) {
    const Mark mark{Mark::Kind::kUp, stream.number, client, track.Next(), made};
    const Parcel parcel{&track, &stream.tally, mark.sequence + 1, 1, stream.spec.size};
    fleet_->Send(now, client, MakePacket(*env_.pool, flow, stream.spec.size, mark), parcel);
  }
}

void Traffic::SendDown(absl::Time now, Stream& stream, uint32_t client, size_t count) {
  const FarPlace& place = stream.places[client];
  const uint16_t size = stream.spec.size;
  const Flow flow{{env_.far->address(), static_cast<uint16_t>(kFarPort + stream.number)},
                  place.at,
                  stream.spec.tcp};
  Track& track = stream.tracks[client];
  Mark mark{Mark::Kind::kDown, stream.number, client, 0, Microseconds(Time(now))};
  if (count > 1 && (stream.spec.tcp || options_.far_gso)) {
    const auto packets = static_cast<uint32_t>(count);
    mark.sequence = track.Next(packets);
    io::VnetHdr vnet;
    PacketBuf frame = MakeSuperframe(*env_.pool, flow, size, mark, count, vnet);
    if (!frame) return;
    const Parcel parcel{&track, &stream.tally, mark.sequence + packets, packets, packets * size};
    return env_.far->Send(std::move(frame), place, vnet, parcel);
  }
  for (size_t i = 0; i < count; ++i) {
    mark.sequence = track.Next();
    const Parcel parcel{&track, &stream.tally, mark.sequence + 1, 1, size};
    env_.far->Send(MakePacket(*env_.pool, flow, size, mark), place, {}, parcel);
  }
}

absl::Time Traffic::NextDeadline() const {
  absl::Time next = pinger_.NextDeadline();
  for (const Stream& stream : streams_) {
    if (!stream.clients.empty()) next = std::min(next, stream.pace.Next(stream.burst));
  }
  return next;
}

bool Traffic::IsExhausted() const {
  if (options_.prepare <= 0) return false;
  return std::any_of(streams_.begin(), streams_.end(), [](const Stream& stream) {
    return stream.spec.up && stream.pace.is_running() && stream.prepared.empty();
  });
}

bool Traffic::AllArrived() const {
  return pinger_.AllAnswered() &&
         std::all_of(streams_.begin(), streams_.end(), [](const Stream& stream) {
           return stream.tally.received >= stream.tally.sent;
         });
}

bool Traffic::IsTiming(absl::Time now) const {
  if (pinger_.IsWaiting(now)) return true;
  if (now - last_left_ > Pinger::kMoment) return false;
  return std::any_of(streams_.begin(), streams_.end(), [](const Stream& stream) {
    return IsOfLonePackets(stream) && stream.tally.received < stream.tally.sent;
  });
}

uint64_t Traffic::missed() const {
  uint64_t missed = 0;
  for (const Stream& stream : streams_) missed += stream.pace.missed();
  return missed;
}

}  // namespace gateway::load
