// JSON text -> RunRecord. The text may come from anyone: whatever is wrong with it becomes one sentence.
#include <fmt/format.h>

#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "report/journal_lines.hpp"
#include "report/json_fields.hpp"
#include "report/json_line.hpp"
#include "report/report.hpp"
#include "report/text.hpp"

namespace fabricheck::report {
namespace {

using Json = nlohmann::json;

constexpr const char* known_schema = "fabricheck/1";
/// A result nests 8 deep; far more is no result and would exhaust the stack of whoever walks it.
constexpr std::size_t max_depth = 64;
/// In one list; the ranks of a large cluster are some ten thousand. More would fill the memory to be refused.
constexpr std::size_t max_values = 1'000'000;

/// Where the reader is: a chain on the stack, turned into a JSON pointer only for a message.
struct Place {
  const Place* parent{};
  std::string_view key;
  std::size_t index{};
  bool is_index{};

  std::string pointer() const {
    if (parent == nullptr) return "";
    return parent->pointer() + "/" + (is_index ? std::to_string(index) : shorten(sanitise(key), 60));
  }

  std::vector<JsonStep> path() const {
    if (parent == nullptr) return {};
    std::vector<JsonStep> steps = parent->path();
    steps.push_back(is_index ? JsonStep{{}, index} : JsonStep{std::string(key), {}});
    return steps;
  }
};

std::string found(const Json& json) {
  if (json.is_number()) return "the number " + shorten(json.dump(), 40);
  if (json.is_string())
    return "the string \"" + shorten(sanitise(json.get_ref<const std::string&>()), 40) + "\"";
  if (json.is_null()) return "null";
  return std::string("a value of type ") + json.type_name();
}

class Reader {
 public:
  explicit Reader(std::string_view source) : source_(source) {}

  [[noreturn]] void fail(const Place& place, const std::string& what) const {
    const std::string pointer = place.pointer();
    const std::string line = has_lines() ? fmt::format(":{}", line_of(text_, place.path())) : "";
    throw Error(fmt::format("{}{}: {}: {}", source_, line, pointer.empty() ? "/" : pointer, what));
  }
  [[noreturn]] void expected(const Place& place, const char* what, const Json& json) const {
    fail(place, fmt::format("expected {}, found {}", what, found(json)));
  }

  Json parse(std::string_view text) {
    text_ = text;
    refuse_excess();
    try {
      return Json::parse(text.begin(), text.end());
    } catch (const Json::exception& error) {
      std::string_view message = error.what();
      const std::size_t tag_end = message.find("] ");
      if (tag_end != std::string_view::npos) message.remove_prefix(tag_end + 2);
      throw Error(fmt::format("{}: not JSON: {}", source_, shorten(sanitise(message), 200)));
    }
  }

  void read(const Json& json, const Place& place, std::string& out) const {
    if (!json.is_string()) expected(place, "a string", json);
    out = json.get_ref<const std::string&>();
  }
  void read(const Json& json, const Place& place, bool& out) const {
    if (!json.is_boolean()) expected(place, "true or false", json);
    out = json.get<bool>();
  }
  void read(const Json& json, const Place& place, double& out) const {
    // null stands for a number that was not finite.
    if (json.is_null()) {
      out = std::numeric_limits<double>::quiet_NaN();
      return;
    }
    if (!json.is_number()) expected(place, "a number", json);
    out = json.get<double>();
  }
  void read(const Json& json, const Place& place, std::uint64_t& out) const {
    if (!json.is_number_unsigned()) expected(place, "a whole number from 0 to 2^64-1", json);
    out = json.get<std::uint64_t>();
  }
  void read(const Json& json, const Place& place, std::int64_t& out) const {
    constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
    if (!json.is_number_integer() || (json.is_number_unsigned() && json.get<std::uint64_t>() > largest)) {
      expected(place, "a whole number from -2^63 to 2^63-1", json);
    }
    out = json.get<std::int64_t>();
  }
  void read(const Json& json, const Place& place, int& out) const {
    std::int64_t wide{};
    read(json, place, wide);
    if (wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max()) {
      expected(place, "a whole number from -2^31 to 2^31-1", json);
    }
    out = static_cast<int>(wide);
  }
  void read(const Json& json, const Place& place, Verdict& out) const {
    const std::optional<Verdict> verdict =
        json.is_string() ? verdict_from_name(json.get_ref<const std::string&>()) : std::nullopt;
    if (!verdict) {
      expected(place, "one of PASS, FAIL, INCONCLUSIVE, ERROR, SKIPPED, UNCHECKED", json);
    }
    out = *verdict;
  }
  void read(const Json& json, const Place& place, Severity& out) const {
    for (const Severity severity : {Severity::info, Severity::bad, Severity::fatal}) {
      if (json == severity_name(severity)) {
        out = severity;
        return;
      }
    }
    expected(place, "one of fatal, bad, info", json);
  }
  void read(const Json& json, const Place& place, Parameter& out) const {
    if (json.is_string()) {
      out = json.get<std::string>();
    } else if (json.is_number_integer()) {
      std::int64_t value{};
      read(json, place, value);
      out = value;
    } else if (json.is_number_float() || json.is_null()) {
      double value{};
      read(json, place, value);
      out = value;
    } else {
      expected(place, "a number or a string", json);
    }
  }
  void read(const Json& json, const Place& place, Interval& out) const {
    if (!json.is_array() || json.size() != 2) expected(place, "[lo, hi] or null", json);
    constexpr double infinity = std::numeric_limits<double>::infinity();
    out = {-infinity, infinity};
    if (!json[0].is_null()) read(json[0], Place{&place, {}, 0, true}, out.lo);
    if (!json[1].is_null()) read(json[1], Place{&place, {}, 1, true}, out.hi);
  }
  template <class T>
  void read(const Json& json, const Place& place, std::optional<T>& out) const {
    out.reset();
    if (!json.is_null()) read(json, place, out.emplace());
  }
  template <class T>
  void read(const Json& json, const Place& place, std::vector<T>& out) const {
    if (!json.is_array()) expected(place, "an array", json);
    out.clear();
    out.reserve(json.size());
    for (std::size_t i = 0; i < json.size(); ++i)
      read(json[i], Place{&place, {}, i, true}, out.emplace_back());
  }
  template <class T>
  void read(const Json& json, const Place& place, std::map<std::string, T>& out) const {
    if (!json.is_object()) expected(place, "an object", json);
    out.clear();
    for (auto entry = json.begin(); entry != json.end(); ++entry) {
      read(entry.value(), Place{&place, entry.key()}, out[entry.key()]);
    }
  }
  template <class Record>
  requires std::is_class_v<Record>
  void read(const Json& json, const Place& place, Record& out) const {
    if (!json.is_object()) expected(place, "an object", json);
    if constexpr (std::is_same_v<Record, RunRecord>) require_schema(json, place);
    auto visit = [this, &json, &place](const char* key, auto& value) {
      this->member(json, place, key, value);
    };
    members(visit, out);
    check_sense(place, out);
  }

 private:
  /// A text of one line was written by a program for a program.
  bool has_lines() const {
    return text_.substr(0, text_.find_last_not_of(" \n\r\t") + 1).find('\n') != std::string_view::npos;
  }

  /// Before anything is built of it: what nests too deep or lists too much, whether it is JSON or not.
  void refuse_excess() const {
    std::vector<std::size_t> commas;
    std::size_t line = 1;
    bool in_string = false;
    const auto refuse = [&](const std::string& what) {
      throw Error(fmt::format("{}{}: {}", source_, has_lines() ? fmt::format(":{}", line) : "", what));
    };
    for (std::size_t at = 0; at < text_.size(); ++at) {
      const char c = text_[at];
      if (c == '\n') ++line;
      if (in_string) {
        if (c == '\\') ++at;
        if (c == '"') in_string = false;
      } else if (c == '"') {
        in_string = true;
      } else if (c == '[' || c == '{') {
        if (commas.size() == max_depth) refuse(fmt::format("nested more than {} deep", max_depth));
        commas.push_back(0);
      } else if ((c == ']' || c == '}') && !commas.empty()) {
        commas.pop_back();
      } else if (c == ',' && !commas.empty() && ++commas.back() == max_values) {
        refuse(fmt::format("a list of more than {} values; no result has one", max_values));
      }
    }
  }

  template <class T>
  void member(const Json& json, const Place& place, const char* key, T& value) const {
    const Place here{&place, key};
    const auto found_member = json.find(key);
    if (found_member == json.end()) fail(here, "is missing");
    read(*found_member, here, value);
  }
  template <class T>
  void member(const Json& json, const Place& place, const char* key, std::optional<T>& value) const {
    const auto found_member = json.find(key);
    value.reset();
    if (found_member != json.end()) read(*found_member, Place{&place, key}, value);
  }

  void require_schema(const Json& json, const Place& place) const {
    const Place here{&place, "schema"};
    const auto schema = json.find("schema");
    if (schema == json.end()) fail(here, "is missing: this is not a result of fabricheck");
    if (*schema != known_schema) {
      fail(here, fmt::format("this program reads \"{}\", found {}", known_schema, found(*schema)));
    }
  }

  // What the reporters index with is checked here, once.
  template <class Record>
  void check_sense(const Place&, const Record&) const {}
  void check_sense(const Place& place, const RunRecord& record) const {
    if (record.exit_status < 0 || record.exit_status > 4) {
      fail(Place{&place, "exit_status"}, fmt::format("expected 0 to 4, found {}", record.exit_status));
    }
  }
  void check_sense(const Place& place, const Matrix& matrix) const {
    const Place data{&place, "data"};
    if (matrix.data.size() != matrix.rows.size()) {
      fail(data, fmt::format("{} rows for {} row names", matrix.data.size(), matrix.rows.size()));
    }
    for (std::size_t i = 0; i < matrix.data.size(); ++i) {
      if (matrix.data[i].size() != matrix.cols.size()) {
        fail(Place{&data, {}, i, true},
             fmt::format("{} values for {} column names", matrix.data[i].size(), matrix.cols.size()));
      }
    }
  }
  void check_sense(const Place& place, const ClusterTopology& topology) const {
    const Place hosts{&place, "hosts"};
    for (std::size_t i = 0; i < topology.hosts.size(); ++i) {
      const int kind = topology.hosts[i].kind;
      if (kind < 0 || static_cast<std::size_t>(kind) >= topology.kinds.size()) {
        fail(Place{&hosts, {}, i, true},
             fmt::format("kind {} is none of the {} kinds", kind, topology.kinds.size()));
      }
    }
    const Place ranks{&place, "ranks"};
    for (std::size_t i = 0; i < topology.ranks.size(); ++i) {
      const int host = topology.ranks[i].host;
      if (host < 0 || static_cast<std::size_t>(host) >= topology.hosts.size()) {
        fail(Place{&ranks, {}, i, true},
             fmt::format("host {} is none of the {} hosts", host, topology.hosts.size()));
      }
    }
  }

  std::string_view source_;
  std::string_view text_;
};

template <class Record>
Record read_document(std::string_view text, std::string_view source) {
  Reader reader(source);
  Record record;
  reader.read(reader.parse(text), Place{}, record);
  return record;
}

}  // namespace

RunRecord from_json(std::string_view text, std::string_view source) {
  return read_document<RunRecord>(text, source);
}
CheckRecord check_from_json(std::string_view text, std::string_view source) {
  return read_document<CheckRecord>(text, source);
}
Host host_from_json(std::string_view text, std::string_view source) {
  return read_document<Host>(text, source);
}
HostParticulars particulars_from_json(std::string_view text, std::string_view source) {
  return read_document<HostParticulars>(text, source);
}
ClusterTopology topology_from_json(std::string_view text, std::string_view source) {
  Reader reader(source);
  const Json json = reader.parse(text);
  ClusterTopology topology;
  const Place top;
  if (json.is_object() && json.contains("topology"))
    reader.read(json["topology"], Place{&top, "topology"}, topology);
  else if (json.is_object() && !json.contains("kinds"))
    reader.fail(top, "is no topology of fabricheck: it has no \"kinds\"");
  else
    reader.read(json, top, topology);
  return topology;
}

bool is_json(std::string_view text) { return Json::accept(text.begin(), text.end()); }

JournalLine parse_journal_line(std::string_view text, std::string_view source) {
  Reader reader(source);
  const Json json = reader.parse(text);
  const Place top;
  if (!json.is_object()) reader.expected(top, "an object", json);
  const Place type_place{&top, "type"};
  if (!json.contains("type")) reader.fail(type_place, "is missing: this is not a journal of fabricheck");
  const Json& type = json["type"];
  const auto content = [&reader, &json, &top](auto record) {
    reader.read(json, top, record);
    return record;
  };
  if (type == "check") return content(CheckRecord{});
  if (type == "finding") return content(Finding{});
  if (type == "fit") return content(Fit{});
  if (type == "matrix") return content(Matrix{});
  if (type == "not_tested") return content(NotTested{});
  if (type == "header") return HeaderLine{content(RunRecord{})};
  if (type == "end") return EndLine{content(RunRecord{})};
  reader.expected(type_place, "one of header, check, finding, fit, matrix, not_tested, end", type);
}

}  // namespace fabricheck::report
