// Tables of nftables that live as long as this object, and no longer than the process: their owner
// flag ties them to its netlink socket, so even SIGKILL takes them away. Needs CAP_NET_ADMIN when a
// table is made, none afterwards.
//
// The library libnftables may be left out of a build (ADIT_NFTABLES); then nothing can be made, and
// Make says so.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct nft_ctx;  // libnftables'

namespace gateway::io {

class NftTables {
 public:
  // Whether this build can make tables at all.
  static bool IsSupported();

  // Makes what `ruleset` says, in the language of nft(8); all of it or nothing. Tables in it carry
  // the owner flag. PermissionDenied without the right, or if another process owns the table;
  // Unimplemented without the library; Unavailable with the library's words for anything else.
  static absl::StatusOr<NftTables> Make(const std::string& ruleset);

 private:
  struct Free {
    void operator()(nft_ctx* context) const;
  };
  explicit NftTables(nft_ctx* context) : context_(context) {}
  std::unique_ptr<nft_ctx, Free> context_;
};

}  // namespace gateway::io
