// The command line: words in, one parsed command out. Nothing is opened, measured or printed here.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "app/options.hpp"

namespace fabricheck::app {

/// `help`, `--help` or `-h`, for the program or for one command: the text to print.
struct HelpRequest {
  std::string text;
};

struct VersionRequest {};

using ParsedCommand =
    std::variant<HelpRequest, VersionRequest, RunOptions, LaunchOptions, ListOptions, TopologyOptions,
                 CompareOptions, DiagnoseOptions, ReportOptions, NodeOptions>;

/// Parses argv[1..]. Throws UsageError with one sentence naming the option and the value. `known_check_ids`
/// are what the globs of --only and --skip have to match.
ParsedCommand parse_command_line(const std::vector<std::string>& arguments,
                                 const std::vector<std::string>& known_check_ids);

}  // namespace fabricheck::app
