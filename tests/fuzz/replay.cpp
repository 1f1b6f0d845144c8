// Gives kept inputs to one fuzz target, so that what once fell is tried by every compiler: replay
// FILE|FOLDER…
#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "target.hpp"

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(const fs::path& place) {
  if (!fs::is_directory(place)) return {place};
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(place))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

bool replay(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    std::cerr << file.string() << ": cannot be read\n";
    return false;
  }
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
  std::cout << file.string() << std::endl;  // flushed: the last line names what crashed
  try {
    LLVMFuzzerTestOneInput(input.data(), input.size());
    return true;
  } catch (const std::exception& error) {
    std::cerr << file.string() << ": not an Error of this program: " << error.what() << '\n';
    return false;
  }
}

}  // namespace

int main(int count, char** arguments) {
  int tried = 0;
  int failed = 0;
  for (int i = 1; i < count; ++i)
    for (const auto& file : files_of(arguments[i])) {
      ++tried;
      if (!replay(file)) ++failed;
    }
  std::cout << tried << " inputs, " << failed << " failed\n";
  return tried > 0 && failed == 0 ? 0 : 1;
}
