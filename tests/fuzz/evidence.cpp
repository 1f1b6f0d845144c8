#include <algorithm>

#include "diagnose/diagnose.hpp"
#include "diagnose/log_reader.hpp"
#include "target.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fabricheck;
  return fuzz::run(data, size, [](std::string_view text) {
    diagnose::Observations seen;
    seen.files.push_back({"input", 0, 0, {}, ""});
    diagnose::LogReader reader(seen);
    reader.begin_file(0);
    std::uint64_t number = 0;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      reader.read(text.substr(0, end), ++number);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    const diagnose::Diagnosis diagnosis = diagnose::diagnose(seen);
    for (std::size_t i = 0; i < diagnosis.findings.size(); ++i) {
      const Finding& finding = diagnosis.findings[i];
      fuzz::demand(!finding.evidence.empty() && !finding.meaning.empty());
      if (!finding.caused_by) continue;
      const auto end = diagnosis.findings.begin() + static_cast<std::ptrdiff_t>(i);
      fuzz::demand(std::any_of(diagnosis.findings.begin(), end,
                               [&](const Finding& before) { return before.slug == *finding.caused_by; }));
    }
  });
}
