// Real logs with what their threads concluded. They are not part of the repository.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

struct Case {
  std::string id;
  std::string log;
  std::vector<std::string> expected;  ///< any of these first
  std::vector<std::string> forbidden;
  bool is_healthy{};
};

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const std::filesystem::path folder = std::filesystem::path(FABRICHECK_CASES_DIR) / "nccl-logs";
  if (std::string_view(FABRICHECK_CASES_DIR).empty() || !std::filesystem::is_directory(folder)) return all;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    const auto told = nlohmann::json::parse(text_of(entry.path()));
    Case one;
    one.id = entry.path().stem().string();
    one.log = text_of(folder / told.at("file").get<std::string>());
    one.expected.push_back(told.at("expected_finding").get<std::string>());
    for (const auto& other : told.value("also_acceptable", std::vector<std::string>()))
      one.expected.push_back(other);
    one.forbidden = told.value("must_not_report", std::vector<std::string>());
    one.is_healthy = told.at("severity") == "ok";
    all.push_back(std::move(one));
  }
  std::sort(all.begin(), all.end(), [](const Case& a, const Case& b) { return a.id < b.id; });
  return all;
}

Diagnosis diagnosed_with(const Case& one, const PhraseFinder& known = all_phrases()) {
  Observations seen;
  read_text(one.log, seen, known);
  return diagnose(seen);
}

bool is_right(const Case& one, const Diagnosis& diagnosis) {
  if (diagnosis.findings.empty()) return false;
  const std::string& first = diagnosis.findings.front().slug;
  const bool expected = std::find(one.expected.begin(), one.expected.end(), first) != one.expected.end();
  const bool clean =
      std::none_of(diagnosis.findings.begin(), diagnosis.findings.end(), [&](const Finding& finding) {
        return std::find(one.forbidden.begin(), one.forbidden.end(), finding.slug) != one.forbidden.end();
      });
  return expected && clean && !(one.is_healthy && diagnosis.has_fault);
}

#define SKIP_WITHOUT_CASES(all) \
  if ((all).empty()) GTEST_SKIP() << "SKIPPED: FABRICHECK_CASES_DIR has no nccl-logs"

TEST(Cases, EveryOneGetsItsFindingFirst) {
  const auto all = cases();
  SKIP_WITHOUT_CASES(all);
  for (const Case& one : all) {
    const Diagnosis diagnosis = diagnosed_with(one);
    EXPECT_TRUE(is_right(one, diagnosis)) << one.id << ": expected " << one.expected.front() << ", found "
                                          << testing::PrintToString(slugs(diagnosis));
  }
}

TEST(Cases, EveryFindingQuotesALineOfTheLog) {
  const auto all = cases();
  SKIP_WITHOUT_CASES(all);
  for (const Case& one : all)
    for (const Finding& finding : diagnosed_with(one).findings) {
      ASSERT_FALSE(finding.evidence.empty()) << one.id << " " << finding.slug;
      EXPECT_GT(finding.evidence.front().line, 0) << one.id << " " << finding.slug;
    }
}

/// Phrases that occur in the log of `one`, by index.
std::set<std::size_t> phrases_in(const Case& one) {
  std::set<std::size_t> found;
  for (std::size_t i = 0; i < phrases().size(); ++i)
    if (one.log.find(phrases()[i].text) != std::string::npos) found.insert(i);
  return found;
}

/// Leave one out, the strict way: a case is diagnosed without the phrases that occur in no other case, as if
/// its text had never been seen. What is right nevertheless needs no knowledge of the case. Of the others the
/// phrase has to be one that NCCL's sources have, which PATTERNS.md lists, or another program's.
TEST(Cases, LeaveOneOut) {
  const auto all = cases();
  SKIP_WITHOUT_CASES(all);
  const std::string patterns = text_of(std::filesystem::path(FABRICHECK_CASES_DIR) / "PATTERNS.md");
  std::map<std::size_t, int> uses;
  for (const Case& one : all)
    for (const std::size_t phrase : phrases_in(one)) ++uses[phrase];
  std::size_t right = 0, by_source = 0;
  for (const Case& one : all) {
    std::vector<Phrase> known;
    std::string own;
    bool documented = true;
    for (std::size_t i = 0; i < phrases().size(); ++i) {
      const Phrase& phrase = phrases()[i];
      const bool only_here = uses[i] == 1 && one.log.find(phrase.text) != std::string::npos;
      if (!only_here) {
        known.push_back(phrase);
        continue;
      }
      own += " '" + std::string(phrase.text) + "'";
      documented = documented && patterns.find(phrase.text) != std::string::npos;
    }
    if (is_right(one, diagnosed_with(one, PhraseFinder(known)))) {
      ++right;
    } else if (documented) {
      ++by_source;
    } else {
      std::cout << "case " << one.id << " alone has:" << own << '\n';
    }
  }
  std::cout << "leave one out: " << right << " of " << all.size()
            << " cases are right without the phrases that no "
            << "other case has; " << by_source << " more need only phrases that PATTERNS.md lists\n";
  EXPECT_GE((right + by_source) * 10, all.size() * 7);
}

}  // namespace
}  // namespace fabricheck::diagnose
