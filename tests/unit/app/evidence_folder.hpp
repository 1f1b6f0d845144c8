// Files to diagnose, in a folder of the test's own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "app/diagnose.hpp"

namespace fabricheck::app {

inline constexpr const char* kFault =
    "a1:10:20 [1] misc/shmutils.cc:71 NCCL WARN Error: failed to extend /dev/shm/nccl-abcdef to 5967876 "
    "bytes\n";

/// What an earlier diagnosis of a.log found: one port that is down.
inline RunRecord diagnosed() {
  RunRecord earlier;
  earlier.started = "2026-01-01T00:00:00Z";
  earlier.tool.version = "1";
  Finding finding;
  finding.slug = "port-down";
  finding.severity = Severity::bad;
  finding.component.kind = "nic";
  finding.meaning = "a port is down";
  finding.confidence = "certain";
  finding.evidence.push_back({"a.log", 1, kFault});
  earlier.findings.push_back(finding);
  return earlier;
}

class EvidenceFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("diagnose_test." + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    const std::string file = (folder_ / name).string();
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }
  std::string write_gz(const std::string& name, const std::string& text,
                       std::size_t most = std::string::npos) {
    const std::string file = (folder_ / name).string();
    gzFile out = ::gzopen(file.c_str(), "wb");
    ::gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
    ::gzclose(out);
    if (most != std::string::npos) std::filesystem::resize_file(file, most);
    return file;
  }
  static diagnose::Observations observations(const std::vector<std::string>& files) {
    DiagnoseOptions options;
    options.files = files;
    return read_evidence(options);
  }
  static RunRecord record(const std::vector<std::string>& files) {
    const auto seen = observations(files);
    return record_of(diagnose::diagnose(seen), seen);
  }
  /// What is said of the first file that could not be read.
  static std::string problem(const std::vector<std::string>& files) {
    for (const auto& file : observations(files).files)
      if (!file.problem.empty()) return file.problem;
    return "";
  }
  std::filesystem::path folder_;
};

}  // namespace fabricheck::app
