// RunRecord -> JSON text.
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "report/journal_lines.hpp"
#include "report/json_fields.hpp"
#include "report/report.hpp"

namespace fabricheck::embedded {
extern const char schema_json[];
}

namespace fabricheck::report {
namespace {

using Json = nlohmann::ordered_json;

struct Encode {
  static Json of(bool value) { return value; }
  static Json of(int value) { return value; }
  static Json of(std::int64_t value) { return value; }
  static Json of(std::uint64_t value) { return value; }
  // JSON has no NaN and no infinity.
  static Json of(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
  static Json of(const std::string& value) { return value; }
  static Json of(Verdict verdict) { return std::string(verdict_name(verdict)); }
  static Json of(Severity severity) { return severity_name(severity); }
  static Json of(const Parameter& parameter) {
    return std::visit([](const auto& value) { return of(value); }, parameter);
  }
  // An open end ([lo, infinity)) is a null in its place; an interval that is no interval is a null as a
  // whole.
  static Json of(const Interval& interval) {
    if (std::isnan(interval.lo) || std::isnan(interval.hi)) return nullptr;
    return Json::array({of(interval.lo), of(interval.hi)});
  }
  template <class T>
  static Json of(const std::optional<T>& value) {
    return value ? of(*value) : Json(nullptr);
  }
  template <class T>
  static Json of(const std::vector<T>& values) {
    Json array = Json::array();
    for (const T& value : values) array.push_back(of(value));
    return array;
  }
  template <class T>
  static Json of(const std::map<std::string, T>& values) {
    Json object = Json::object();
    for (const auto& entry : values) object[entry.first] = of(entry.second);
    return object;
  }
  template <class Record>
  requires std::is_class_v<Record>
  static Json of(const Record& record) {
    Json object = Json::object();
    add(object, record);
    return object;
  }
  template <class Record>
  static void add(Json& object, const Record& record) {
    auto visit = [&object](const char* key, const auto& value) { object[key] = of(value); };
    members(visit, record);
  }
};

// Text from outside (host names, kernel logs) need not be UTF-8: what is not is replaced, never thrown about.
std::string compact(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

bool all_scalars(const Json& json) {
  for (const Json& element : json) {
    if (element.is_structured()) return false;
  }
  return true;
}

std::string key_text(const std::string& key) { return compact(Json(key)) + ": "; }

std::string one_line(const Json& json) {
  if (!json.is_structured()) return compact(json);
  std::string line;
  for (auto entry = json.begin(); entry != json.end(); ++entry) {
    if (!line.empty()) line += ", ";
    if (json.is_object()) line += key_text(entry.key());
    line += one_line(*entry);
  }
  return json.is_object() ? "{" + line + "}" : "[" + line + "]";
}

/// For people: what fits on a line is on one line, as is a row of a matrix.
void lay_out(const Json& json, std::size_t indent, std::string& out) {
  constexpr std::size_t line_width = 110;
  std::string line = one_line(json);
  if (!json.is_structured() || line.size() + indent <= line_width || (json.is_array() && all_scalars(json))) {
    out += line;
    return;
  }
  const bool is_object = json.is_object();
  out += is_object ? '{' : '[';
  const char* separator = "\n";
  for (auto entry = json.begin(); entry != json.end(); ++entry) {
    out += separator;
    out.append(indent + 2, ' ');
    if (is_object) out += key_text(entry.key());
    lay_out(*entry, indent + 2, out);
    separator = ",\n";
  }
  out += '\n';
  out.append(indent, ' ');
  out += is_object ? '}' : ']';
}

/// What a cluster has thousands of is one line each, and never more than one of them is a tree in memory.
template <class Record>
void write_lines(const std::vector<Record>& records, std::size_t indent, std::string& out) {
  out += '[';
  const char* separator = "\n";
  for (const Record& record : records) {
    out += separator;
    out.append(indent + 2, ' ');
    out += compact(Encode::of(record));
    separator = ",\n";
  }
  out += '\n';
  out.append(indent, ' ');
  out += ']';
}

template <class Record>
void write_members(const Record& record, std::size_t indent, std::string& out);

template <class T>
void write(const T& value, std::size_t indent, std::string& out) {
  constexpr std::size_t most_laid_out = 64;
  if constexpr (std::is_same_v<T, ClusterTopology>) {
    write_members(value, indent, out);
  } else if constexpr (std::is_same_v<T, std::vector<HostEntry>> ||
                       std::is_same_v<T, std::vector<RankPlace>>) {
    if (value.size() > most_laid_out) return write_lines(value, indent, out);
    lay_out(Encode::of(value), indent, out);
  } else {
    lay_out(Encode::of(value), indent, out);
  }
}

template <class Record>
void write_members(const Record& record, std::size_t indent, std::string& out) {
  out += '{';
  const char* separator = "\n";
  auto visit = [&](const char* key, const auto& value) {
    out += separator;
    out.append(indent + 2, ' ');
    out += key_text(key);
    write(value, indent + 2, out);
    separator = ",\n";
  };
  members(visit, record);
  out += '\n';
  out.append(indent, ' ');
  out += '}';
}

template <class Record>
std::string document(const Record& record) {
  std::string text;
  if constexpr (std::is_same_v<Record, RunRecord> || std::is_same_v<Record, ClusterTopology>) {
    write_members(record, 0, text);
  } else {
    lay_out(Encode::of(record), 0, text);
  }
  text += '\n';
  return text;
}

/// On one line, and again never more than one of thousands as a tree in memory.
template <class T>
void write_compact(const T& value, std::string& out) {
  if constexpr (std::is_same_v<T, ClusterTopology>) {
    out += '{';
    const char* separator = "";
    auto visit = [&](const char* key, const auto& member) {
      out += separator + compact(Json(key)) + ':';
      write_compact(member, out);
      separator = ",";
    };
    members(visit, value);
    out += '}';
  } else if constexpr (std::is_same_v<T, std::vector<HostEntry>> ||
                       std::is_same_v<T, std::vector<RankPlace>>) {
    out += '[';
    const char* separator = "";
    for (const auto& record : value) {
      out += separator + compact(Encode::of(record));
      separator = ",";
    }
    out += ']';
  } else {
    out += compact(Encode::of(value));
  }
}

template <class Record>
std::string typed_line(const char* type, const Record& record) {
  std::string line = "{\"type\":" + compact(Json(type));
  auto visit = [&line](const char* key, const auto& value) {
    line += ',' + compact(Json(key)) + ':';
    write_compact(value, line);
  };
  members(visit, record);
  return line + '}';
}

}  // namespace

std::string to_json(const RunRecord& record) { return document(record); }
std::string check_to_json(const CheckRecord& check) { return document(check); }
std::string host_to_json(const Host& host) { return document(host); }
std::string particulars_to_json(const HostParticulars& own) { return compact(Encode::of(own)); }
std::string topology_to_json(const ClusterTopology& topology) { return document(topology); }
std::string_view schema_text() { return embedded::schema_json; }

std::string header_line(const RunRecord& header) { return typed_line("header", header); }
std::string journal_line(const CheckRecord& check) { return typed_line("check", check); }
std::string journal_line(const Finding& finding) { return typed_line("finding", finding); }
std::string journal_line(const Fit& fit) { return typed_line("fit", fit); }
std::string journal_line(const Matrix& matrix) { return typed_line("matrix", matrix); }
std::string journal_line(const NotTested& not_tested) { return typed_line("not_tested", not_tested); }

std::string end_line(const RunRecord& record) {
  RunRecord end = record;
  end.checks.clear();
  end.topology = {};
  return typed_line("end", end);
}

}  // namespace fabricheck::report
