// The command line. CLI11 stays in this file.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "conf/load.h"
#include "gateway/run.h"
#include "gateway/unavailable.h"

namespace {

constexpr int kBadConfiguration = 2;

// Prints what is wrong; true if it may be run.
bool Say(const conf::Loaded& loaded) {
  if (!loaded.issues.empty()) std::fputs(loaded.Text().c_str(), stderr);
  if (!loaded.ok()) return false;
  const std::vector<std::string> unavailable = gateway::UnavailableKeys(loaded.model);
  for (const std::string& key : unavailable) {
    std::fprintf(stderr, "%s: error: %s: this version of adit does not carry it out yet\n",
                 loaded.file.c_str(), key.c_str());
  }
  return unavailable.empty();
}

int Check(const std::string& path) {
  const conf::Loaded loaded = conf::LoadFile(path);
  if (!Say(loaded)) return kBadConfiguration;
  std::printf("%s: good\n", path.c_str());
  return 0;
}

int RunFile(const std::string& path, gateway::RunOptions options) {
  const conf::Loaded loaded = conf::LoadFile(path);
  options.reread = [path] { return conf::LoadFile(path); };
  return Say(loaded) ? gateway::Run(loaded.model, options) : kBadConfiguration;
}

// The demo is a script beside the program (installed), or in the source tree it was built from.
int Demo(const std::vector<std::string>& arguments) {
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  const std::filesystem::path places[] = {
      self.parent_path().parent_path() / "share/adit/demo/demo.sh",
      std::filesystem::path(ADIT_SOURCE_DIR) / "gateway/demo/demo.sh"};
  for (const std::filesystem::path& script : places) {
    if (!std::filesystem::exists(script)) continue;
    setenv("ADIT_BIN", self.c_str(), 1);
    std::string shell = "bash", file = script;
    std::vector<std::string> copies = arguments;
    std::vector<char*> argv = {shell.data(), file.data()};
    for (std::string& argument : copies) argv.push_back(argument.data());
    argv.push_back(nullptr);
    execvp("bash", argv.data());
    std::perror("adit: bash");
    return 1;
  }
  std::fprintf(stderr, "adit: demo.sh is neither installed nor in the source tree\n");
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"adit: an L2TP/IPsec VPN gateway that needs nothing of the kernel but raw frames"};
  app.set_version_flag("--version", "adit " ADIT_VERSION);
  app.require_subcommand(1);

  std::string path;
  gateway::RunOptions options;
  CLI::App* run = app.add_subcommand(
      "run",
      "Run the gateway until SIGTERM; SIGUSR1 reports counters and sessions, SIGHUP reads the file "
      "again");
  run->add_option("config", path, "Configuration file (TOML)")->required();
  run->add_flag("--log-json", options.log_json, "One JSON object a line instead of text");
  run->add_option("--log-level", options.log_level, "debug, info, warning or error");
  run->add_option("--keylog", options.keylog,
                  "DEBUGGING ONLY: write all clients' session keys to this directory");

  CLI::App* check = app.add_subcommand(
      "check", "Say what is wrong with a configuration; exit code 2 if anything is");
  check->add_option("config", path, "Configuration file (TOML)")->required();

  CLI::App* demo =
      app.add_subcommand("demo", "Show it: a real Linux client dials in, in namespaces of its own");
  demo->prefix_command();

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : kBadConfiguration;
  }
  if (*check) return Check(path);
  if (*demo) return Demo(demo->remaining());
  return RunFile(path, options);
}
