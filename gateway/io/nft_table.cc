#include "gateway/io/nft_table.h"

#include <cerrno>
#include <string_view>

#include "absl/strings/str_cat.h"

#ifdef ADIT_NFTABLES
#include <nftables/libnftables.h>
#endif

namespace gateway::io {

#ifdef ADIT_NFTABLES

namespace {

// The library writes for people at a terminal: the first line says what, those after it where.
std::string FirstLine(const char* words) {
  const std::string_view text = words == nullptr ? "" : words;
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace

void NftTables::Free::operator()(nft_ctx* context) const { nft_ctx_free(context); }

bool NftTables::IsSupported() { return true; }

absl::StatusOr<NftTables> NftTables::Make(const std::string& ruleset) {
  NftTables tables(nft_ctx_new(NFT_CTX_DEFAULT));
  nft_ctx* const context = tables.context_.get();
  if (context == nullptr) return absl::UnavailableError("libnftables does not start");
  nft_ctx_buffer_output(context);
  nft_ctx_buffer_error(context);
  errno = 0;
  if (nft_run_cmd_from_buffer(context, ruleset.c_str()) == 0) return tables;
  const std::string words =
      absl::StrCat("nftables refuses: ", FirstLine(nft_ctx_get_error_buffer(context)));
  return errno == EPERM ? absl::PermissionDeniedError(words) : absl::UnavailableError(words);
}

#else

void NftTables::Free::operator()(nft_ctx*) const {}

bool NftTables::IsSupported() { return false; }

absl::StatusOr<NftTables> NftTables::Make(const std::string&) {
  return absl::UnimplementedError("this build of adit has no libnftables");
}

#endif

}  // namespace gateway::io
