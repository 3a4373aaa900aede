#include "stack/wire/icmp4.h"

namespace stack::wire {

std::string_view NameOf(IcmpType type) {
  switch (type) {
    case IcmpType::kEchoReply:
      return "echo reply";
    case IcmpType::kDestinationUnreachable:
      return "destination unreachable";
    case IcmpType::kSourceQuench:
      return "source quench";
    case IcmpType::kRedirect:
      return "redirect";
    case IcmpType::kEchoRequest:
      return "echo request";
    case IcmpType::kTimeExceeded:
      return "time exceeded";
    case IcmpType::kParameterProblem:
      return "parameter problem";
  }
  return "unknown";
}

std::string_view NameOf(UnreachableCode code) {
  switch (code) {
    case UnreachableCode::kNet:
      return "net unreachable";
    case UnreachableCode::kHost:
      return "host unreachable";
    case UnreachableCode::kProtocol:
      return "protocol unreachable";
    case UnreachableCode::kPort:
      return "port unreachable";
    case UnreachableCode::kFragmentationNeeded:
      return "fragmentation needed";
    case UnreachableCode::kAdministratively:
      return "administratively prohibited";
  }
  return "unknown";
}

bool IsIcmpError(IcmpType type) {
  switch (type) {
    case IcmpType::kDestinationUnreachable:
    case IcmpType::kSourceQuench:
    case IcmpType::kRedirect:
    case IcmpType::kTimeExceeded:
    case IcmpType::kParameterProblem:
      return true;
    case IcmpType::kEchoReply:
    case IcmpType::kEchoRequest:
      return false;
  }
  return false;
}

Result<Icmp4, Drop> Icmp4::Parse(ByteView bytes) {
  if (bytes.size() < kSize) return Drop::kTruncated;
  return Icmp4(bytes);
}

void WriteIcmp4(ByteSpan out, IcmpType type, uint8_t code, uint32_t rest) {
  Writer to(out.first(Icmp4::kSize));
  to.U8(static_cast<uint8_t>(type));
  to.U8(code);
  to.U16(0);
  to.U32(rest);
}

void FillIcmpChecksum(ByteSpan message) {
  std::byte* checksum = message.subspan(2, 2).data();
  Store16(checksum, 0);
  Store16(checksum, Finish(SumOf(message)));
}

}  // namespace stack::wire
