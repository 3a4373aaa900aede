#include "crypto/ike/event.h"

namespace crypto::ike {

std::string_view NameOf(Failure failure) {
  switch (failure) {
    case Failure::kNoCommonProposal:
      return "no_common_proposal";
    case Failure::kNoPreSharedKey:
      return "no_pre_shared_key";
    case Failure::kBadPublicValue:
      return "bad_public_value";
    case Failure::kWrongPreSharedKey:
      return "wrong_pre_shared_key";
    case Failure::kAuthentication:
      return "authentication";
    case Failure::kTimeout:
      return "timeout";
    case Failure::kRefusedByPeer:
      return "refused_by_peer";
    case Failure::kRefusedHere:
      return "refused_here";
    case Failure::kIllegalMessage:
      return "illegal_message";
    case Failure::kCrowdedOut:
      return "crowded_out";
  }
  return "unknown";
}

}  // namespace crypto::ike
