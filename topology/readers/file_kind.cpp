#include <algorithm>
#include <string>

#include "topology/readers/fields.hpp"
#include "topology/readers/readers.hpp"
#include "topology/readers/smi_words.hpp"

namespace fabricheck::topology {
namespace {

constexpr std::string_view kUtf8Mark = "\xef\xbb\xbf";

/// UTF-16 text of ASCII letters as UTF-8: enough to see which file it is.
std::string without_nuls(std::string_view text) {
  std::string plain;
  for (const char c : text)
    if (c > 0) plain += c;
  return plain;
}

/// What a DOCTYPE at the front of the text says.
struct Doctype {
  std::string_view name;
  std::size_t length{};  ///< npos: it does not end
  bool defines_entities{};
};

Doctype read_doctype(std::string_view text) {
  constexpr std::string_view kMark = "<!DOCTYPE";
  Doctype found;
  found.name = trimmed(text.substr(kMark.size()));
  found.name = found.name.substr(0, found.name.find_first_of(" \t\r\n[>"));
  found.length = std::string_view::npos;
  int brackets = 0;
  for (std::size_t at = kMark.size(); at < text.size(); ++at) {
    std::string_view end;
    if (text[at] == '"') end = "\"";
    if (text[at] == '\'') end = "'";
    if (starts_with(text.substr(at), "<!--")) end = "-->";
    if (!end.empty()) {
      at = text.find(end, at + 1);
      if (at == std::string_view::npos) return found;
      at += end.size() - 1;
      continue;
    }
    if (starts_with(text.substr(at), "<!ENTITY")) found.defines_entities = true;
    if (text[at] == '[') ++brackets;
    if (text[at] == ']') --brackets;
    if (text[at] == '>' && brackets <= 0) {
      found.length = at + 1;
      return found;
    }
  }
  return found;
}

/// The name of the root element: what follows declarations, comments and processing instructions. Where a
/// DOCTYPE is all there is, the one it announces.
std::string_view root_element(std::string_view text) {
  std::string_view announced;
  while (true) {
    text = trimmed(text);
    if (!starts_with(text, "<")) return announced;
    if (starts_with(text, "<!DOCTYPE")) {
      const Doctype doctype = read_doctype(text);
      // Whatever the root is, the XML reader says that it takes no entities.
      if (doctype.defines_entities) return "system";
      if (doctype.length == std::string_view::npos) return doctype.name;
      announced = doctype.name;
      text.remove_prefix(doctype.length);
      continue;
    }
    std::string_view end_mark = ">";
    if (starts_with(text, "<!--")) {
      end_mark = "-->";
    } else if (starts_with(text, "<?")) {
      end_mark = "?>";
    } else if (!starts_with(text, "<!")) {
      text.remove_prefix(1);
      return text.substr(0, text.find_first_of(" \t\r\n/>"));
    }
    const std::size_t end = text.find(end_mark);
    if (end == std::string_view::npos) return announced;
    text.remove_prefix(end + end_mark.size());
  }
}

/// Whether "GPU0" stands in it and a cell, another name or a terminal's code may follow. Most lines of a log
/// are not worth to be cleaned.
bool may_be_matrix_line(std::string_view line) {
  constexpr std::string_view kNext = "GCNXPS|\x1b[\xc2";
  for (std::size_t at = line.find("GPU"); at != std::string_view::npos; at = line.find("GPU", at + 3)) {
    const std::size_t end = line.find_first_not_of("0123456789", at + 3);
    if (end == at + 3 || end == std::string_view::npos) continue;
    const std::size_t next = line.find_first_not_of(" \t", end);
    if (next != std::string_view::npos && kNext.find(line[next]) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

// "GPU0  X", "GPU1  NV18  X", or a header "GPU0  GPU1" or "GPU0  CPU Affinity".
bool is_smi_matrix_line(std::string_view raw) {
  if (!may_be_matrix_line(raw)) return false;
  const std::string line = smi::clean_line(raw);
  const std::size_t at = line.find("GPU");
  if (at == std::string::npos || (at > 0 && line[at - 1] != ' ' && line[at - 1] != '\t')) return false;
  std::string_view rest = std::string_view(line).substr(at);
  const std::size_t name = rest.find_first_not_of("0123456789", 3);
  if (name == 3 || name == std::string_view::npos) return false;
  rest = trimmed(rest.substr(name));
  if (starts_with(rest, "GPU") || starts_with(rest, "CPU Affinity") || starts_with(rest, "NIC")) return true;
  const std::string_view word = rest.substr(0, rest.find_first_of(" \t"));
  return !smi::unglue_cells(word, {}).cells.empty();
}

TopologyFileKind topology_file_kind(std::string_view text) {
  constexpr std::size_t kEnough = 1 << 20;
  std::string_view start = text.substr(0, kEnough);
  const bool wide = is_utf16(start) || start.substr(0, 4).find('\0') != std::string_view::npos;
  const std::string plain = wide ? without_nuls(start) : std::string();
  if (wide) start = plain;
  if (starts_with(start, kUtf8Mark)) start.remove_prefix(kUtf8Mark.size());
  start = trimmed(start);
  if (starts_with(start, "<")) {
    const std::string_view root = root_element(start);
    if (root == "system" || root == "graphs") return TopologyFileKind::nccl_xml;
    if (root == "topology") return TopologyFileKind::hwloc_xml;
  }
  if (starts_with(start, "{")) return TopologyFileKind::json;
  while (!start.empty()) {
    const std::size_t end = start.find('\n');
    constexpr std::size_t kLongestLine = 64 << 10;
    if (is_smi_matrix_line(start.substr(0, std::min(end, kLongestLine)))) return TopologyFileKind::smi_matrix;
    if (end == std::string_view::npos) break;
    start.remove_prefix(end + 1);
  }
  return TopologyFileKind::unknown;
}

}  // namespace fabricheck::topology
