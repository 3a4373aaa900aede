// A client's frames into the gateway's half of a link, and a server's into the client's half. The
// input is a row of frames, each behind two octets: what to do before it (bits: run the next
// deadline, answer the open question well or badly, terminate) and its length. Questions are
// answered, so that the phases behind them are reached.
#include <cstdint>
#include <cstdlib>

#include "stack/ppp/client_link.h"
#include "stack/ppp/data.h"
#include "stack/ppp/lns_link.h"
#include "tests/support/rng.h"

namespace {

using stack::ByteView;
namespace ppp = stack::ppp;

constexpr uint8_t kDeadline = 1, kGood = 2, kBad = 4, kTerminate = 8, kSkipSecond = 16;

void Require(bool condition) {
  if (!condition) std::abort();
}

// The last question of a link.
struct Questions {
  uint32_t verify = 0, address = 0, response = 0, check = 0;
  ppp::AuthProtocol protocol{};
  bool down = false;

  void operator()(const ppp::NeedVerify& e) { verify = e.ticket; }
  void operator()(const ppp::NeedAddress& e) { address = e.ticket; }
  void operator()(const ppp::NeedResponse& e) {
    response = e.ticket;
    protocol = e.protocol;
  }
  void operator()(const ppp::NeedCheckSuccess& e) { check = e.ticket; }
  void operator()(const ppp::Down&) {
    Require(!down);
    down = true;
  }
  template <class Other>
  void operator()(const Other&) {}
};

void Answer(ppp::LnsLink& link, absl::Time now, const Questions& asked, bool good,
            ppp::LnsLink::Out& out) {
  const ppp::Accepted accepted{"S=0123456789ABCDEF0123456789ABCDEF01234567"};
  link.OnVerified(now, asked.verify, good ? ppp::Verdict(accepted) : ppp::Verdict(ppp::Refused{}),
                  out);
  const ppp::Assignment assignment{{0x0a63000a}, {0x0a630001}, {stack::Ip4{0x09090909}}};
  link.OnAddress(now, asked.address, good ? ppp::Admission(assignment) : ppp::NotAdmitted{}, out);
}

void Answer(ppp::ClientLink& link, absl::Time now, const Questions& asked, bool good,
            ppp::ClientLink::Out& out) {
  const ppp::Response responses[] = {stack::wire::MsChapV2Response{}, ppp::ChapMd5Response{},
                                     ppp::Password(stack::AsBytes("secret"))};
  link.OnResponse(now, asked.response, responses[static_cast<size_t>(asked.protocol)], out);
  link.OnSuccessChecked(now, asked.check, good, out);
}

template <class Link, class Options>
void Run(ByteView input, const Options& options) {
  test::FixedRng rng;
  stack::PacketPool pool(16, 1);
  typename Link::Out out(pool);
  Link link(options, rng);
  Questions asked;
  absl::Time now = absl::UnixEpoch();
  const auto drain = [&] {
    for (auto& item : out.items()) {
      if (auto* frame = std::get_if<0>(&item)) {
        Require(!asked.down && stack::wire::PppFrame::Parse(frame->buf.bytes()).ok());
      } else {
        std::visit(asked, std::get<1>(item));
      }
    }
    out.Clear();
    Require(pool.free_small() == pool.small_slots());
    Require(link.NextDeadline() > now);
    Require(!asked.down || link.NextDeadline() == absl::InfiniteFuture());
  };
  link.Start(now, out);
  drain();
  for (stack::Reader in(input); in.left() > 2;) {
    const uint8_t todo = in.U8();
    const ByteView frame = in.Take(std::min<size_t>(in.U8(), in.left()));
    if ((todo & kSkipSecond) == 0) now += absl::Seconds(1);
    if ((todo & kDeadline) != 0 && link.NextDeadline() != absl::InfiniteFuture())
      now = std::max(now, link.NextDeadline());
    link.OnDeadline(now, out);
    drain();
    for (int questions = 0; questions < 2 && (todo & (kGood | kBad)) != 0; ++questions) {
      Answer(link, now, asked, (todo & kGood) != 0, out);  // one may lead to another
      drain();
    }
    if ((todo & kTerminate) != 0) link.Terminate(now, ppp::DownReason::kIdle, out);
    drain();
    stack::PacketBuf buf = pool.Copy(frame);
    const bool data = ppp::PullData(buf) == ppp::Pulled::kIp4;
    buf.Release();
    data ? link.OnLifeSign(now) : link.OnPacket(now, frame, out);
    drain();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input = stack::AsBytes(data, std::min<size_t>(size, 8192));
  using P = ppp::AuthProtocol;
  constexpr auto kMs = P::kMsChapV2, kMd5 = P::kChapMd5, kPap = P::kPap;
  for (const ppp::AuthProtocols& spoken :
       {ppp::AuthProtocols{kMs}, ppp::AuthProtocols{kPap, kMd5, kMs}}) {
    Run<ppp::LnsLink>(input, ppp::LnsOptions{.timing = {}, .authentication = spoken});
    Run<ppp::ClientLink>(input, ppp::ClientOptions{"alice", 1400, {}, spoken});
  }
  return 0;
}
