// XML as a flat list of elements. Depth and numbers are limited; a DTD is never loaded and may define
// nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fabricheck::topology {

inline constexpr std::size_t kNoParent = static_cast<std::size_t>(-1);

struct XmlElement {
  std::string name;
  std::size_t parent{kNoParent};  ///< index of an earlier element
  int line{};
  std::vector<std::pair<std::string, std::string>> attributes;
  std::string text;  ///< the character data directly inside

  bool has(std::string_view attribute) const;
  /// "" where the attribute is missing.
  const std::string& get(std::string_view attribute) const;
};

struct XmlDocument {
  std::string file;
  std::vector<XmlElement> elements;  ///< in order of their start; the first is the root

  const XmlElement& root() const { return elements.front(); }
  /// The name of the element's parent, "" for the root.
  const std::string& parent_name(const XmlElement& element) const;
};

/// UsageError with file and line for whatever is no well-formed XML. Elements named in `counted` are counted
/// in that sentence, so that the reader of a cut-off file hears what there was.
XmlDocument parse_xml(std::string_view text, const std::string& file,
                      const std::vector<std::string>& counted);

}  // namespace fabricheck::topology
