#include "gateway/io/private_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/folder.h"

namespace gateway::io {
namespace {

namespace fs = std::filesystem;

class PrivateFileTest : public testing::Test {
 protected:
  mode_t ModeOf(const std::string& path) const {
    struct stat kind {};
    return stat(path.c_str(), &kind) == 0 ? kind.st_mode & 07777 : 0;
  }
  const test::Folder scratch_;
  const std::string folder_ = scratch_.path(), path_ = folder_ + "/kept/state.toml";
};

TEST_F(PrivateFileTest, IsWrittenForItsOwnerAndReadBack) {
  EXPECT_TRUE(absl::IsNotFound(ReadPrivateFile(path_).status()));
  const mode_t before = umask(0);  // nothing of it may depend on that
  ASSERT_TRUE(WritePrivateFile(path_, "secret = 1\n").ok());
  umask(before);
  EXPECT_EQ(ModeOf(path_), 0600U);
  EXPECT_EQ(ModeOf(folder_ + "/kept"), 0700U);
  EXPECT_EQ(*ReadPrivateFile(path_), "secret = 1\n");
  ASSERT_TRUE(WritePrivateFile(path_, "").ok());
  EXPECT_EQ(*ReadPrivateFile(path_), "");
}

TEST_F(PrivateFileTest, WhatOthersCanReadIsRefused) {
  ASSERT_TRUE(WritePrivateFile(path_, "secret").ok());
  for (const auto mode : {fs::perms::group_read, fs::perms::others_read, fs::perms::others_write}) {
    fs::permissions(path_, fs::perms::owner_read | mode);
    const absl::Status status = ReadPrivateFile(path_).status();
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    EXPECT_NE(status.message().find("chmod 600 " + path_), std::string::npos);
  }
  fs::permissions(path_, fs::perms::owner_read);
  EXPECT_TRUE(ReadPrivateFile(path_).ok());
}

TEST_F(PrivateFileTest, OnlyAPlainFileOfModestSizeIsOne) {
  ASSERT_TRUE(WritePrivateFile(path_, std::string(65536, 'x')).ok());
  EXPECT_TRUE(ReadPrivateFile(path_).ok());
  fs::create_symlink(path_, folder_ + "/link");
  EXPECT_FALSE(ReadPrivateFile(folder_ + "/link").ok());
  EXPECT_FALSE(ReadPrivateFile(folder_).ok());
  ASSERT_EQ(mkfifo((folder_ + "/pipe").c_str(), 0600), 0);
  EXPECT_FALSE(ReadPrivateFile(folder_ + "/pipe").ok());  // and does not wait for a writer
  ASSERT_TRUE(WritePrivateFile(path_, std::string(65537, 'x')).ok());
  EXPECT_FALSE(ReadPrivateFile(path_).ok());
}

// A start that was cut short left half a file beside; a folder that cannot be written to leaves the
// old one.
TEST_F(PrivateFileTest, IsThereWholeOrNotAtAll) {
  ASSERT_TRUE(WritePrivateFile(path_, "old").ok());
  std::ofstream(path_ + ".new") << "ha";
  ASSERT_TRUE(WritePrivateFile(path_, "new").ok());
  EXPECT_EQ(*ReadPrivateFile(path_), "new");
  EXPECT_FALSE(fs::exists(path_ + ".new"));
  fs::create_directory(path_ + ".new");
  EXPECT_FALSE(WritePrivateFile(path_, "newer").ok());
  EXPECT_EQ(*ReadPrivateFile(path_), "new");
}

}  // namespace
}  // namespace gateway::io
