// Writes the man page and the bash completion into a folder, for the build: fabricheck-docs FOLDER
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include "app/build_identity.hpp"
#include "app/known_words.hpp"
#include "app/manual.hpp"
#include "report/journal.hpp"

int main(int argc, char** argv) {
  using namespace fabricheck;
  try {
    if (argc != 2) {
      fmt::print(stderr, "usage: fabricheck-docs FOLDER\n");
      return 2;
    }
    const std::filesystem::path folder = argv[1];
    std::filesystem::create_directories(folder);
    app::CompletionWords words;
    words.checks = app::known_check_ids();
    words.platforms = app::known_platforms();
    report::write_file((folder / "fabricheck.1").string(), app::man_page(app::tool_info().version));
    // The completion's file is named as the command is: by that name bash finds it.
    report::write_file((folder / "fabricheck").string(), app::bash_completion(words));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "fabricheck-docs: {}\n", error.what());
    return 3;
  }
}
