// The man page and the bash completion, made from the table of commands: neither can know another option than
// the parser. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::app {

/// fabricheck(1) in the man macros of groff and mandoc.
std::string man_page(std::string_view version);

/// What is known of this build beside the table.
struct CompletionWords {
  std::vector<std::string> checks;     ///< ids
  std::vector<std::string> platforms;  ///< names, without "auto"
};

/// A script for bash alone: it needs nothing of the package bash-completion.
std::string bash_completion(const CompletionWords& words);

}  // namespace fabricheck::app
