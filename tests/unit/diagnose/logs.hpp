// Logs of a few lines, and what is found in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "diagnose/diagnose.hpp"
#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {

inline void read_text(std::string_view text, Observations& into, const PhraseFinder& known = all_phrases()) {
  LogReader reader(into, known);
  into.files.push_back({"test.log", 0, 0, {}, ""});
  reader.begin_file(static_cast<int>(into.files.size()) - 1);
  std::uint64_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    reader.read(text.substr(0, end), ++number);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  into.files.back().lines = number;
}

inline Observations observed(std::string_view text) {
  Observations seen;
  read_text(text, seen);
  set_recovered_apart(seen);
  return seen;
}

inline Diagnosis diagnosed(std::string_view text) { return diagnose(observed(text)); }

inline std::vector<std::string> slugs(const Diagnosis& diagnosis) {
  std::vector<std::string> all;
  for (const Finding& finding : diagnosis.findings) all.push_back(finding.slug);
  return all;
}

inline std::vector<std::string> slugs(std::string_view text) { return slugs(diagnosed(text)); }

/// What is found first; "" where nothing is.
inline std::string first(std::string_view text) {
  const auto all = slugs(text);
  return all.empty() ? std::string() : all.front();
}

inline const Finding* finding(const Diagnosis& diagnosis, std::string_view slug) {
  for (const Finding& one : diagnosis.findings)
    if (one.slug == slug) return &one;
  return nullptr;
}

}  // namespace fabricheck::diagnose
