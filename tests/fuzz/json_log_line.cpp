#include "app/json_log_line.hpp"

#include "app/utf16.hpp"
#include "target.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fabricheck;
  return fuzz::run(data, size, [](std::string_view text) {
    std::string buffer;
    const auto found = app::json_log_text(text, buffer);
    fuzz::demand(!found || found->size() <= text.size());
    if (auto wide = app::Utf16Bytes::of_mark(text)) {
      std::string converted;
      wide->add(text, converted);
      fuzz::demand(converted.size() <= text.size() * 3 / 2);
    }
  });
}
