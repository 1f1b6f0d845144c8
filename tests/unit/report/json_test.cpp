// result.json: what is written is read back, whatever it says; what is not a result is refused in one
// sentence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "core/error.hpp"
#include "report/report.hpp"
#include "unit/report/sample_record.hpp"
#include "unit/report/schema_validator.hpp"

namespace fabricheck::report {
namespace {

using nlohmann::json;
using report_test::full_record;
using report_test::schema_errors;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string error_of(std::string_view text) {
  try {
    (void)from_json(text, "result.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

bool is_valid(const std::string& text) {
  const auto errors = schema_errors(schema_text(), text);
  return errors && errors->empty();
}

TEST(Json, EveryFieldComesBack) {
  const RunRecord record = full_record();
  EXPECT_EQ(from_json(to_json(record), "here"), record);
  EXPECT_EQ(check_from_json(check_to_json(record.checks[0]), "here"), record.checks[0]);
  EXPECT_EQ(host_from_json(host_to_json(record.topology.kinds[0]), "here"), record.topology.kinds[0]);
  const HostParticulars& own = record.topology.hosts[0].own;
  EXPECT_EQ(particulars_from_json(particulars_to_json(own), "here"), own);
  EXPECT_EQ(topology_from_json(topology_to_json(record.topology), "here"), record.topology);
  EXPECT_EQ(json::parse(topology_to_json(record.topology)), json::parse(to_json(record))["topology"]);
}

TEST(Json, UnsetFieldsComeBackUnset) {
  RunRecord record;
  record.checks.emplace_back();
  EXPECT_EQ(from_json(to_json(record), "here"), record);
  EXPECT_TRUE(json::parse(to_json(record))["checks"][0]["statistics"]["p99"].is_null());
}

TEST(Json, EveryVerdictAndSeverityComesBack) {
  RunRecord record = full_record();
  for (const Verdict verdict : {Verdict::pass, Verdict::fail, Verdict::inconclusive, Verdict::error,
                                Verdict::skipped, Verdict::unchecked}) {
    record.verdict = record.checks[0].verdict = verdict;
    EXPECT_EQ(from_json(to_json(record), "here"), record);
    EXPECT_EQ(json::parse(to_json(record))["verdict"], verdict_name(verdict));
  }
  for (const Severity severity : {Severity::info, Severity::bad, Severity::fatal}) {
    record.findings[0].severity = severity;
    EXPECT_EQ(from_json(to_json(record), "here"), record);
  }
}

// The names are a contract with whoever reads results: this file was written by hand, not by to_json.
TEST(Json, ReadsTheDocumentedNames) {
  std::ifstream in(FABRICHECK_FIXTURES_DIR "/report/documented.json");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const RunRecord record = from_json(text, "documented.json");
  EXPECT_EQ(json::parse(to_json(record)), json::parse(text));
  EXPECT_EQ(record.world.hosts, (std::vector<std::string>{"n1", "n2"}));
  ASSERT_EQ(record.checks.size(), 1u);
  EXPECT_EQ(record.checks[0].ci95, (Interval{3.1, 3.3}));
  EXPECT_EQ(record.checks[0].statistics.p999, std::nullopt);
  EXPECT_EQ(record.checks[0].last, (LastRank{1, "n2", 0.5}));
  EXPECT_EQ(record.checks[0].target->comparison, "<");
  EXPECT_EQ(record.findings.at(0).severity, Severity::info);
  EXPECT_EQ(record.matrices.at(0).data.at(0).at(1), 48.5);
  EXPECT_EQ(record.not_tested.at(0).id, "nccl.allreduce.busbw");
  EXPECT_EQ(record.topology.kinds.at(0).gpus.at(0).pcie.width, 8);
  EXPECT_EQ(record.topology.hosts.at(0).own.gpus.at(0).health->remap_pending, true);
  EXPECT_VALID(text);
}

TEST(Json, AWholeNumberAndARealParameterStayWhatTheyAre) {
  CheckRecord check;
  check.parameters = {{"whole", std::int64_t{5}}, {"real", 5.0}};
  const CheckRecord back = check_from_json(check_to_json(check), "here");
  EXPECT_TRUE(std::holds_alternative<std::int64_t>(back.parameters.at("whole")));
  EXPECT_TRUE(std::holds_alternative<double>(back.parameters.at("real")));
}

TEST(Json, WritesNeitherNanNorInfinity) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  RunRecord record = full_record();
  CheckRecord& check = record.checks[0];
  check.value = nan;
  check.ci95 = Interval{nan, 1};
  check.statistics.max = infinity;
  check.statistics.decision_interval = Interval{5.9, infinity};
  check.counters["broken"] = -infinity;
  check.parameters["broken"] = nan;
  const std::string text = to_json(record);
  const json written = json::parse(text)["checks"][0];
  EXPECT_TRUE(written["value"].is_null());
  EXPECT_TRUE(written["ci95"].is_null());
  EXPECT_TRUE(written["statistics"]["max"].is_null());
  EXPECT_TRUE(written["counters"]["broken"].is_null());
  EXPECT_TRUE(written["parameters"]["broken"].is_null());
  const CheckRecord back = from_json(text, "here").checks[0];
  EXPECT_EQ(back.value, std::nullopt);
  EXPECT_TRUE(std::isnan(back.counters.at("broken")));
  // An interval that is open on one side keeps the side that it has.
  EXPECT_EQ(back.statistics.decision_interval, (Interval{5.9, infinity}));
  EXPECT_VALID(text);
}

TEST(Json, TextThatIsNoUtf8IsWrittenAsJsonAllTheSame) {
  RunRecord record = full_record();
  record.world.hosts[0] = "n\xff\x1b[2J";
  const std::string text = to_json(record);
  EXPECT_TRUE(json::accept(text));
  EXPECT_EQ(from_json(text, "here").checks, record.checks);
}

TEST(Json, NumbersKeepAllTheirDigits) {
  RunRecord record = full_record();
  record.checks[0].value = 0.1 + 0.2;
  record.checks[0].statistics.samples = std::numeric_limits<std::uint64_t>::max();
  record.checks[0].statistics.min = std::numeric_limits<double>::denorm_min();
  record.checks[0].statistics.max = std::numeric_limits<double>::max();
  EXPECT_EQ(from_json(to_json(record), "here"), record);
}

TEST(Json, ARowOfAMatrixIsOneLine) {
  RunRecord record = full_record();
  record.matrices[0].cols.assign(200, "n");
  record.matrices[0].rows = {"n1"};
  record.matrices[0].data = {std::vector<std::optional<double>>(200, 48.25)};
  const std::string text = to_json(record);
  std::string row = "[48.25";
  for (int i = 1; i < 200; ++i) row += ", 48.25";
  EXPECT_THAT(text, HasSubstr(row + "]"));
  EXPECT_EQ(from_json(text, "here"), record);
}

TEST(Schema, AcceptsWhatIsWritten) {
  EXPECT_VALID(to_json(full_record()));
  EXPECT_VALID(to_json(report_test::mixed_record()));
}

TEST(Schema, IsAsciiAndDraft7) {
  const json schema = json::parse(schema_text());
  EXPECT_EQ(schema["$schema"], "http://json-schema.org/draft-07/schema#");
  for (const char c : schema_text()) ASSERT_LT(static_cast<unsigned char>(c), 0x80);
}

TEST(Schema, RefusesWhatTheDesignForbids) {
  if (!schema_errors(schema_text(), "{}")) GTEST_SKIP() << "built without valijson";
  const json good = json::parse(to_json(full_record()));
  const auto changed = [&good](const char* pointer, const json& value) {
    json bad = good;
    bad[json::json_pointer(pointer)] = value;
    return is_valid(bad.dump());
  };
  ASSERT_TRUE(is_valid(good.dump()));
  EXPECT_FALSE(changed("/schema", "fabricheck/2"));
  EXPECT_FALSE(changed("/verdict", "pass"));
  EXPECT_FALSE(changed("/exit_status", 5));
  EXPECT_FALSE(changed("/started", "yesterday"));
  EXPECT_FALSE(changed("/surprise", 1));
  EXPECT_FALSE(changed("/checks/0/surprise", 1));
  EXPECT_FALSE(changed("/checks/0/id", "MPI.latency"));
  EXPECT_FALSE(changed("/checks/0/id", "latency"));
  EXPECT_FALSE(changed("/checks/0/ci95", json::array({1.0})));
  EXPECT_FALSE(changed("/checks/0/reason", "")) << "a FAIL without a reason";
  EXPECT_FALSE(changed("/checks/0/statistics/samples", 999)) << "p99 of 999 samples";
  EXPECT_FALSE(changed("/checks/0/statistics/samples", 9999)) << "p99.9 of 9999 samples";
  EXPECT_FALSE(changed("/checks/0/last/share", 1.01));
  EXPECT_FALSE(changed("/checks/0/target/comparison", "=="));
  EXPECT_FALSE(changed("/findings/0/severity", "warning"));
  EXPECT_FALSE(changed("/findings/0/confidence", "maybe"));
  EXPECT_FALSE(changed("/topology/hosts/0/name", ""));
  EXPECT_TRUE(changed("/checks/0/verdict", "PASS"));
}

/// Every place of a JSON document.
void collect(const json& value, const json::json_pointer& here, std::vector<json::json_pointer>& places) {
  places.push_back(here);
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) collect(child, here / key, places);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) collect(value[i], here / i, places);
  }
}

TEST(Json, AMissingMemberIsNamed) {
  const json good = json::parse(to_json(full_record()));
  std::vector<json::json_pointer> places;
  collect(good, json::json_pointer(), places);
  std::size_t refused = 0;
  for (const json::json_pointer& place : places) {
    if (place.empty() || !good[place.parent_pointer()].is_object()) continue;
    json bad = good;
    bad[place.parent_pointer()].erase(place.back());
    const std::string error = error_of(bad.dump());
    if (error.empty()) continue;
    ++refused;
    EXPECT_THAT(error,
                AllOf(StartsWith("result.json: " + place.to_string() + ": "), HasSubstr("is missing")));
  }
  EXPECT_GT(refused, 80u);
}

TEST(Json, AWrongTypeIsRefusedWithItsPlaceAndWhatTheSchemaAcceptsIsRead) {
  const json good = json::parse(to_json(full_record()));
  std::vector<json::json_pointer> places;
  collect(good, json::json_pointer(), places);
  const bool has_schema = schema_errors(schema_text(), "{}").has_value();
  std::size_t refused = 0;
  for (const json::json_pointer& place : places) {
    if (place.empty()) continue;
    for (const char* wrong : {"null", "true", "-1", "1.5", "\"x\"", "[]", "[[{}]]", "{\"x\":[]}"}) {
      json bad = good;
      bad[place] = json::parse(wrong);
      const std::string error = error_of(bad.dump());
      if (error.empty()) continue;
      ++refused;
      ASSERT_THAT(error, StartsWith("result.json: /")) << place << " = " << wrong;
      // The schema cannot say that an index is in range or that a matrix is a rectangle.
      const std::string pointer = place.to_string();
      const bool beyond_schema = pointer.find("/matrices") == 0 || pointer.find("/topology") == 0;
      if (has_schema && !beyond_schema && refused % 7 == 0) {
        EXPECT_FALSE(is_valid(bad.dump())) << place << " = " << wrong << ": " << error;
      }
    }
  }
  EXPECT_GT(refused, 600u);
}

TEST(Json, SaysWhatItExpectedAndWhatItFound) {
  json bad = json::parse(to_json(full_record()));
  bad["checks"][0]["unit"] = 7;
  EXPECT_EQ(error_of(bad.dump()), "result.json: /checks/0/unit: expected a string, found the number 7");
}

TEST(Json, SaysTheLineOfATextThatHasLines) {
  const std::string text = to_json(full_record());
  const auto with = [&text](const std::string& from, const std::string& to) {
    std::string bad = text;
    bad.replace(bad.find(from), from.size(), to);
    std::size_t line = 1;
    for (std::size_t at = 0; at < bad.find(to); ++at) line += bad[at] == '\n' ? 1 : 0;
    EXPECT_THAT(error_of(bad), StartsWith("result.json:" + std::to_string(line) + ": /")) << to;
    EXPECT_GT(line, 1u);
  };
  with("\"launcher\": \"", "\"launcher\": 7, \"x\": \"");
  with("\"max_width\": 16", "\"max_width\": \"sixteen\"");
  with("\"local_rank\": 1", "\"local_rank\": [[1, \"}]\\\"\"], {}]");
  // Of what is missing, the line on which the object begins that lacks it.
  std::string bad = text;
  bad.replace(bad.find("\"gpu_driver\""), 12, "\"gpu_driven\"");
  EXPECT_THAT(error_of(bad),
              ::testing::MatchesRegex("result.json:[0-9]+: /topology/kinds/0/gpu_driver: is missing"));
}

TEST(Json, AnotherSchemaIsRefusedBeforeAnythingElse) {
  EXPECT_EQ(error_of(R"({"schema": "fabricheck/9", "checks": 3})"),
            "result.json: /schema: this program reads \"fabricheck/1\", found the string \"fabricheck/9\"");
  EXPECT_THAT(error_of("{}"), HasSubstr("not a result of fabricheck"));
}

TEST(Json, NumbersThatDoNotFitAreRefused) {
  const std::string good = json::parse(to_json(full_record())).dump();
  const auto with = [&good](const std::string& from, const std::string& to) {
    std::string bad = good;
    const std::size_t at = bad.find(from);
    return at == std::string::npos ? from + " is not there" : error_of(bad.replace(at, from.size(), to));
  };
  EXPECT_THAT(with("\"ranks\":8", "\"ranks\":99999999999"),
              HasSubstr("/world/ranks: expected a whole number"));
  EXPECT_THAT(with("\"ranks\":8", "\"ranks\":8.0"), HasSubstr("/world/ranks"));
  EXPECT_THAT(with("\"samples\":12000", "\"samples\":18446744073709551616"),
              HasSubstr("/statistics/samples"));
  EXPECT_THAT(with("\"largest\":9223372036854775807", "\"largest\":9223372036854775808"),
              HasSubstr("/largest"));
  EXPECT_THAT(with("\"duration_s\":125.25", "\"duration_s\":1e999"), StartsWith("result.json: not JSON:"));
}

TEST(Json, IndexesOutOfRangeAreRefused) {
  json bad = json::parse(to_json(full_record()));
  bad["topology"]["ranks"][1]["host"] = 1;
  EXPECT_EQ(error_of(bad.dump()), "result.json: /topology/ranks/1: host 1 is none of the 1 hosts");
  bad = json::parse(to_json(full_record()));
  bad["topology"]["hosts"][0]["kind"] = 1;
  EXPECT_EQ(error_of(bad.dump()), "result.json: /topology/hosts/0: kind 1 is none of the 1 kinds");
  bad = json::parse(to_json(full_record()));
  bad["matrices"][0]["data"][1].push_back(1.0);
  EXPECT_EQ(error_of(bad.dump()), "result.json: /matrices/0/data/1: 3 values for 2 column names");
}

TEST(Json, DeepNestingIsRefused) {
  constexpr std::size_t deep = 1000000;
  EXPECT_THAT(error_of(std::string(deep, '[')), HasSubstr("nested more than"));
  std::string objects;
  for (std::size_t i = 0; i < deep; ++i) objects += "{\"a\":";
  EXPECT_THAT(error_of(objects), HasSubstr("nested more than"));
  const std::string inside =
      R"({"schema":"fabricheck/1","tool":)" + std::string(deep, '[') + std::string(deep, ']') + "}";
  EXPECT_THAT(error_of(inside), HasSubstr("nested more than"));
}

TEST(Json, ExcessIsRefusedWithItsLine) {
  EXPECT_EQ(error_of("{\n\"a\":\n" + std::string(1000, '[') + "\n}"),
            "result.json:3: nested more than 64 deep");
  std::string list = "{\n\"a\": [1";
  for (int i = 0; i < 1000000; ++i) list += ",1";
  EXPECT_EQ(error_of(list + "]\n}"), "result.json:2: a list of more than 1000000 values; no result has one");
  const std::string text = "\"[[[\\\"" + std::string(2000000, ',') + std::string(100, '[') + "\"";
  EXPECT_THAT(error_of("{\"schema\":" + text + "}"), Not(HasSubstr("more than"))) << "within a string";
}

TEST(Json, AHostileKeyDoesNotReachTheTerminal) {
  json bad = json::parse(to_json(full_record()));
  bad["checks"][0]["counters"]["\x1b[2J" + std::string(5000, 'k')] = "x";
  const std::string error = error_of(bad.dump());
  EXPECT_THAT(error, HasSubstr("/checks/0/counters/?[2J"));
  EXPECT_EQ(error.find('\x1b'), std::string::npos);
  EXPECT_LT(error.size(), 300u);
}

TEST(Json, EveryTruncationIsRefused) {
  const std::string good = json::parse(to_json(full_record())).dump();
  for (std::size_t length = 0; length < good.size(); ++length) {
    ASSERT_THAT(error_of(good.substr(0, length)), StartsWith("result.json: not JSON:")) << length;
  }
}

TEST(Json, DamagedTextGivesAResultOrAnError) {
  const std::string good = to_json(full_record());
  std::mt19937 random(20260704);
  std::size_t refused = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string bad = good;
    for (int j = 0; j < 3; ++j) bad[random() % bad.size()] = static_cast<char>(random());
    try {
      const RunRecord record = from_json(bad, "result.json");
      // What is read can also be reported.
      (void)console(record, {});
      (void)csv(record);
    } catch (const Error& error) {
      ++refused;
      EXPECT_THAT(std::string(error.what()), ::testing::ContainsRegex("^result.json(:[0-9]+)?: "));
    }
  }
  EXPECT_GT(refused, 3000u);
}

}  // namespace
}  // namespace fabricheck::report
