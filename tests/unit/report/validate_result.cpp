// validate_result SCHEMA RESULT.json: exit status 0 valid, 1 not valid, 2 usage.
#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <string>

#include "unit/report/schema_validator.hpp"

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: validate_result SCHEMA RESULT.json\n");
    return 2;
  }
  std::string texts[2];
  for (int i = 0; i < 2; ++i) {
    std::ifstream in(argv[i + 1], std::ios::binary);
    texts[i].assign(std::istreambuf_iterator<char>(in), {});
    if (!in || texts[i].empty()) {
      fmt::print(stderr, "validate_result: {} cannot be read or is empty\n", argv[i + 1]);
      return 2;
    }
  }
  const auto errors = fabricheck::report_test::schema_errors(texts[0], texts[1]);
  for (const std::string& error : *errors) fmt::print(stderr, "{}: {}\n", argv[2], error);
  return errors->empty() ? 0 : 1;
}
