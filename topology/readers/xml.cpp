#include "topology/readers/xml.hpp"

#include <expat.h>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>

#include "topology/model/text.hpp"
#include "topology/readers/refuse.hpp"

namespace fabricheck::topology {
namespace {

constexpr std::size_t kDeepest = 128;
constexpr std::size_t kMostElements = 200'000;
constexpr std::size_t kMostAttributes = 64;

class Builder {
 public:
  explicit Builder(const std::string& file) { document_.file = file; }

  XmlDocument parse(std::string_view text, const std::vector<std::string>& counted) {
    check_size(text, document_.file);
    const std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser(XML_ParserCreate(nullptr),
                                                                              &XML_ParserFree);
    if (!parser) throw std::bad_alloc();
    parser_ = parser.get();
    XML_SetUserData(parser_, this);
    XML_SetElementHandler(parser_, &Builder::on_start, &Builder::on_end);
    XML_SetCharacterDataHandler(parser_, &Builder::on_text);
    XML_SetEntityDeclHandler(parser_, &Builder::on_entity);
    XML_SetParamEntityParsing(parser_, XML_PARAM_ENTITY_PARSING_NEVER);
    const XML_Status status = XML_Parse(parser_, text.data(), static_cast<int>(text.size()), XML_TRUE);
    if (failure_) std::rethrow_exception(failure_);
    if (!refusal_.empty()) refuse(document_.file, refusal_line_, refusal_);
    if (status != XML_STATUS_OK) refuse(document_.file, line(), reason() + counts(counted));
    return std::move(document_);
  }

 private:
  int line() const { return static_cast<int>(XML_GetCurrentLineNumber(parser_)); }

  void stop(std::string sentence) {
    if (!refusal_.empty()) return;
    refusal_ = std::move(sentence);
    refusal_line_ = line();
    XML_StopParser(parser_, XML_FALSE);
  }

  /// expat is C: no exception may pass through it.
  template <class Work>
  static void guard(void* data, const Work& work) {
    auto& self = *static_cast<Builder*>(data);
    if (self.failure_ || !self.refusal_.empty()) return;
    try {
      work(self);
    } catch (...) {
      self.failure_ = std::current_exception();
      XML_StopParser(self.parser_, XML_FALSE);
    }
  }

  static void on_start(void* data, const char* name, const char** attributes) {
    guard(data, [&](Builder& self) { self.start(name, attributes); });
  }

  static void on_end(void* data, const char*) {
    guard(data, [](Builder& self) { self.open_.pop_back(); });
  }

  static void on_text(void* data, const char* text, int length) {
    guard(data, [&](Builder& self) {
      if (!self.open_.empty())
        self.document_.elements[self.open_.back()].text.append(text, static_cast<std::size_t>(length));
    });
  }

  static void on_entity(void* data, const char* name, int, const char*, int, const char*, const char*,
                        const char*, const char*) {
    guard(data, [&](Builder& self) {
      self.stop(fmt::format("defines the entity {}; a topology file needs none", in_quotes(name)));
    });
  }

  void start(const char* name, const char** attributes) {
    auto& elements = document_.elements;
    if (open_.size() >= kDeepest)
      return stop(fmt::format("elements are nested deeper than {}; no topology is", kDeepest));
    if (elements.size() >= kMostElements)
      return stop(fmt::format("has more than {} elements; no topology does", kMostElements));
    XmlElement element;
    element.name = name;
    element.parent = open_.empty() ? kNoParent : open_.back();
    element.line = line();
    for (; *attributes != nullptr; attributes += 2) {
      if (element.attributes.size() == kMostAttributes)
        return stop(fmt::format("an element has more than {} attributes", kMostAttributes));
      element.attributes.emplace_back(attributes[0], attributes[1]);
    }
    open_.push_back(elements.size());
    elements.push_back(std::move(element));
  }

  std::string reason() const {
    const XML_Error code = XML_GetErrorCode(parser_);
    const std::string in_words = XML_ErrorString(code) == nullptr ? "unknown error" : XML_ErrorString(code);
    const bool at_end = code == XML_ERROR_NO_ELEMENTS || code == XML_ERROR_UNCLOSED_TOKEN ||
                        code == XML_ERROR_PARTIAL_CHAR || code == XML_ERROR_UNCLOSED_CDATA_SECTION;
    if (at_end && !open_.empty()) {
      const XmlElement& last = document_.elements[open_.back()];
      return fmt::format("the file ends within <{}> of line {}: it is cut off", printable(last.name),
                         last.line);
    }
    if (code == XML_ERROR_NO_ELEMENTS) return "has no XML element: it is empty or cut off";
    return fmt::format("is no well-formed XML: {}", in_words);
  }

  std::string counts(const std::vector<std::string>& counted) const {
    std::string told;
    for (const auto& name : counted) {
      const auto count = std::count_if(document_.elements.begin(), document_.elements.end(),
                                       [&](const XmlElement& element) { return element.name == name; });
      if (count > 0) told += fmt::format("{}{} <{}>", told.empty() ? "" : ", ", count, name);
    }
    return told.empty() ? told : fmt::format("; until there it has {}", told);
  }

  XmlDocument document_;
  XML_Parser parser_{};
  std::vector<std::size_t> open_;
  std::string refusal_;
  int refusal_line_{};
  std::exception_ptr failure_;
};

const std::string kNothing;

}  // namespace

bool XmlElement::has(std::string_view attribute) const {
  return std::any_of(attributes.begin(), attributes.end(),
                     [&](const auto& entry) { return entry.first == attribute; });
}

const std::string& XmlElement::get(std::string_view attribute) const {
  for (const auto& [key, value] : attributes)
    if (key == attribute) return value;
  return kNothing;
}

const std::string& XmlDocument::parent_name(const XmlElement& element) const {
  return element.parent == kNoParent ? kNothing : elements[element.parent].name;
}

XmlDocument parse_xml(std::string_view text, const std::string& file,
                      const std::vector<std::string>& counted) {
  return Builder(file).parse(text, counted);
}

}  // namespace fabricheck::topology
