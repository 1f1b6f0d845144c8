// The recorded real files, and what every reader must do with bad ones.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "topology/readers/readers.hpp"

namespace fabricheck::topology {

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline std::filesystem::path cases_dir() { return FABRICHECK_CASES_DIR; }

inline std::string read_case(const std::string& name) { return read_text(cases_dir() / name); }

/// Files below a folder of the cases that end in `extension`, in order.
inline std::vector<std::filesystem::path> case_files(const std::string& folder,
                                                     const std::string& extension) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(cases_dir() / folder))
    if (entry.path().extension() == extension) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// What a reader says against a text; "" when it reads it. Any other exception than UsageError fails the
/// test.
template <class Reader>
std::string refusal(const Reader& reader, const std::string& text) {
  try {
    reader(text, "given.file");
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("given.file:"));
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "no UsageError: " << error.what();
  }
  return "";
}

/// A reader given every real file of a kind, cut off at every 97th byte, reads it or says why not.
template <class Reader>
void expect_sane_when_cut(const Reader& reader, const std::string& text) {
  for (std::size_t length = 0; length < text.size(); length += 97) {
    SCOPED_TRACE(length);
    refusal(reader, text.substr(0, length));
  }
}

}  // namespace fabricheck::topology

/// For tests of recorded cases.
#define NEED_CASES() \
  if (std::string(FABRICHECK_CASES_DIR).empty()) GTEST_SKIP() << "FABRICHECK_CASES_DIR is not set"
