// The command line, and what stands for it where a machine starts adit as its first process.
// CLI11 stays in this file.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "conf/load.h"
#include "gateway/io/first_process.h"
#include "gateway/io/nic.h"
#include "gateway/load_command.h"
#include "gateway/run.h"
#include "gateway/run_embedded.h"
#include "gateway/run_load.h"

namespace {

constexpr int kBadConfiguration = 2;

// Prints what is wrong; true if it may be run.
bool Say(const conf::Loaded& loaded) {
  if (!loaded.issues.empty()) std::fputs(loaded.Text().c_str(), stderr);
  return loaded.ok();
}

int Check(const std::string& path) {
  const conf::Loaded loaded = conf::LoadFile(path);
  if (!Say(loaded)) return kBadConfiguration;
  std::printf("%s: good\n", path.c_str());
  return 0;
}

void SetUp(const std::string& interface) {
  const absl::Status up = gateway::io::SetLinkUp(interface);
  if (!up.ok()) std::fprintf(stderr, "adit: %s\n", std::string(up.message()).c_str());
}

int RunFile(const std::string& path, gateway::RunOptions options, bool first_process) {
  const conf::Loaded loaded = conf::LoadFile(path);
  if (!Say(loaded)) return kBadConfiguration;
  options.reread = [path] { return conf::LoadFile(path); };
  for (const conf::Interface& interface : loaded.model.interfaces) {
    if (first_process) SetUp(interface.name);
  }
  return gateway::Run(loaded.model, options);
}

int RunInterface(const gateway::EmbeddedOptions& embedded, const gateway::RunOptions& options,
                 bool first_process) {
  if (first_process) SetUp(embedded.interface);
  return gateway::RunEmbedded(embedded, options);
}

// What a machine's first process does when the kernel's command line does not say: the
// configuration of the root folder; without one, the first interface, with secrets that are shown
// on the console.
std::vector<std::string> FirstProcessArguments() {
  for (const char* path : {"/adit.toml", "/etc/adit.toml"}) {
    if (std::filesystem::exists(path)) return {"run", path};
  }
  for (const std::string& name : gateway::io::NicNames()) {
    if (name != "lo") return {"run", "--interface", name, "--ephemeral"};
  }
  return {"run", "/adit.toml"};
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

void AddLoadWords(CLI::App& load, const std::vector<gateway::LoadWord>& words) {
  for (const gateway::LoadWord& word : words) {
    const auto read = [&word](const std::string& value) {
      const std::string reason = word.read(value);
      if (!reason.empty()) throw CLI::ValidationError(word.name, reason);
    };
    if (word.value.empty()) {
      load.add_flag_callback(
          word.name, [read] { read(""); }, word.help);
      continue;
    }
    CLI::Option* option = load.add_option_function<std::vector<std::string>>(
        word.name,
        [read](const auto& values) { std::for_each(values.begin(), values.end(), read); },
        word.help);
    option->type_name(word.value)->allow_extra_args(false);
    word.repeats ? option->take_all() : option->take_last();
    if (word.help.ends_with("(needed)")) option->required();
  }
}

bool IsCommand(const std::string& word) {
  return word == "run" || word == "check" || word == "--version" || word == "--help";
}

int Main(std::vector<std::string> arguments, bool first_process) {
  CLI::App app{"adit: an L2TP/IPsec VPN gateway that needs nothing of the kernel but raw frames"};
  app.set_version_flag("--version", "adit " ADIT_VERSION);
  app.require_subcommand(1);

  std::string path;
  gateway::RunOptions options;
  CLI::App* run = app.add_subcommand(
      "run",
      "Run the gateway until SIGTERM; SIGUSR1 reports counters and sessions, SIGHUP reads the file "
      "again");
  gateway::EmbeddedOptions embedded;
  CLI::Option* config = run->add_option("config", path, "Configuration file (TOML)");
  CLI::Option* interface = run->add_option(
      "--interface", embedded.interface,
      "Without a file: serve and translate on this interface, with secrets made at first start");
  run->add_option("--state", embedded.state, "File that keeps these secrets")
      ->needs(interface)
      ->default_str(gateway::DefaultStateFile());
  run->add_flag("--ephemeral", embedded.ephemeral, "Keep nothing: new secrets at each start")
      ->needs(interface)
      ->excludes("--state");
  config->excludes(interface);
  run->add_flag("--log-json", options.log_json, "One JSON object a line instead of text");
  run->add_option("--log-level", options.log_level, "debug, info, warning or error");
  run->add_option("--keylog", options.keylog,
                  "DEBUGGING ONLY: write all clients' session keys to this directory");

  CLI::App* check = app.add_subcommand(
      "check", "Say what is wrong with a configuration; exit code 2 if anything is");
  check->add_option("config", path, "Configuration file (TOML)")->required();

  gateway::load::Options load_options;
  const std::vector<gateway::LoadWord> load_words = gateway::LoadWords(load_options);
  CLI::App* load =
      app.add_subcommand("load", "Play many L2TP/IPsec clients against a server, and measure it");
  AddLoadWords(*load, load_words);
  load->allow_extras();

  CLI::App* demo =
      app.add_subcommand("demo", "Show it: a real Linux client dials in, in namespaces of its own");
  demo->prefix_command();

  try {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    app.parse(std::move(arguments));
    if (*run && !*config && !*interface) {
      throw CLI::RequiredError("a configuration file, or --interface NAME,");
    }
    if (*load && load->remaining_size() > 0) {
      throw CLI::ValidationError(gateway::UnknownLoadWord(load_words, load->remaining().front()));
    }
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : kBadConfiguration;
  }
  if (*check) return Check(path);
  if (*load) return gateway::RunLoad(load_options);
  if (*demo) return Demo(demo->remaining());
  if (*interface) return RunInterface(embedded, options, first_process);
  return RunFile(path, options, first_process);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  if (!gateway::io::IsFirstProcess()) return Main(std::move(arguments), false);
  // The kernel hands over whatever words of its command line it did not understand.
  gateway::io::BeFirstProcess([&arguments] {
    const bool said = !arguments.empty() && IsCommand(arguments.front());
    return Main(said ? arguments : FirstProcessArguments(), true);
  });
}
