#include "config/platform_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "config/built_in_platforms.hpp"
#include "config/toml_document.hpp"
#include "core/figure_table.hpp"
#include "core/suggest.hpp"
#include "core/text.hpp"

namespace fabricheck::config {
namespace {

constexpr std::size_t most_entries = 1000;
constexpr std::int64_t most_devices = 1024;

/// "10de:2330".
bool is_pci_id(const std::string& id) {
  if (id.size() != 9 || id[4] != ':') return false;
  for (std::size_t i = 0; i < id.size(); ++i) {
    const bool hex = (id[i] >= '0' && id[i] <= '9') || (id[i] >= 'a' && id[i] <= 'f');
    if (i != 4 && !hex) return false;
  }
  return true;
}

class PlatformReader {
 public:
  PlatformReader(std::string_view text, const std::string& file) : document_(text, file) {}

  Platform read() {
    const toml::table& root = document_.root();
    document_.refuse_unknown_keys(
        root, {"name", "aliases", "gpu_names", "gpu_pci_ids", "expected", "variant", "sources", "figures"});
    const toml::node* name = root.get("name");
    if (name == nullptr)
      document_.fail(toml::source_position{1, 1}, "this platform has no name; add name = \"dgx-h100\"");
    platform_.name = document_.text_of(*name, "name");
    read_texts(root, "aliases", platform_.aliases);
    read_texts(root, "gpu_names", platform_.gpu_names);
    read_texts(root, "gpu_pci_ids", platform_.gpu_pci_ids);
    for (const std::string& id : platform_.gpu_pci_ids) {
      if (!is_pci_id(id)) {
        document_.fail(
            *root.get("gpu_pci_ids"),
            fmt::format("{} is no PCI id; write vendor and device such as \"10de:2330\"", quoted_text(id)));
      }
    }
    platform_.expected.source = "platform " + platform_.name;
    if (const toml::table* expected = document_.table_at(root, "expected", "[expected]"))
      read_expected(*expected);
    for (const toml::table* variant : document_.tables_at(root, "variant", "[[variant]]", most_entries))
      read_variant(*variant);
    sources_ = document_.table_at(root, "sources", "[sources]");
    if (sources_ != nullptr) check_sources();
    if (const toml::table* figures = document_.table_at(root, "figures", "[figures]")) {
      for (const auto& [key, list] : *figures) read_figures(key, list);
    }
    return std::move(platform_);
  }

 private:
  void read_texts(const toml::table& table, const char* key, std::vector<std::string>& into) const {
    if (const toml::node* node = table.get(key)) into = document_.texts_of(*node, key, most_entries);
  }
  void read_count(const toml::table& table, const char* key, std::int64_t least,
                  std::optional<int>& into) const {
    if (const toml::node* node = table.get(key))
      into = static_cast<int>(document_.integer_of(*node, key, least, most_devices));
  }

  void read_expected(const toml::table& table) {
    document_.refuse_unknown_keys(table, {"gpus", "nvlinks_per_gpu", "nvlink_islands", "nvswitches",
                                          "gpu_pcie_width", "gpu_pcie_speed"});
    Expectation& expected = platform_.expected;
    read_count(table, "gpus", 1, expected.gpus);
    read_count(table, "nvlinks_per_gpu", 0, expected.nvlinks_per_gpu);
    read_count(table, "nvlink_islands", 1, expected.nvlink_islands);
    read_count(table, "nvswitches", 0, expected.nvswitches);
    if (const toml::node* node = table.get("gpu_pcie_width"))
      expected.gpu_pcie_width = document_.pcie_width_of(*node, "gpu_pcie_width");
    if (const toml::node* node = table.get("gpu_pcie_speed"))
      expected.gpu_pcie_speed_GTps = document_.pcie_speed_of(*node, "gpu_pcie_speed");
  }

  void read_variant(const toml::table& table) {
    document_.refuse_unknown_keys(table, {"products", "gpus", "nics"});
    PlatformVariant variant;
    const toml::node* products = table.get("products");
    if (products == nullptr) document_.fail(table, "this [[variant]] has no products");
    variant.products = document_.texts_of(*products, "products", most_entries);
    std::vector<std::string> known = platform_.aliases;
    known.push_back(platform_.name);
    for (const std::string& product : variant.products) {
      if (std::find(known.begin(), known.end(), product) != known.end()) continue;
      document_.fail(*products, fmt::format("product {} is neither the platform's name nor an alias{}",
                                            quoted_text(product), suggestion(product, known)));
    }
    read_count(table, "gpus", 1, variant.gpus);
    for (const toml::table* nics : document_.tables_at(table, "nics", "[[variant.nics]]", most_entries))
      variant.nics.push_back(nics_of(*nics));
    platform_.variants.push_back(std::move(variant));
  }

  ExpectedNics nics_of(const toml::table& table) const {
    document_.refuse_unknown_keys(table, {"count", "rate", "link_layer"});
    ExpectedNics nics;
    const toml::node* count = table.get("count");
    if (count == nullptr) document_.fail(table, "these NICs have no count");
    nics.count = static_cast<int>(document_.integer_of(*count, "count", 1, most_devices));
    if (const toml::node* node = table.get("rate"))
      nics.rate_Gbps = document_.quantity_of(*node, "rate", "Gb/s");
    if (const toml::node* node = table.get("link_layer"))
      nics.link_layer = document_.word_of(*node, "link_layer", {"Ethernet", "InfiniBand"});
    return nics;
  }

  void check_sources() const {
    for (const auto& [id, node] : *sources_) {
      const toml::table* table = node.as_table();
      if (table == nullptr)
        document_.fail(node, fmt::format("source {} is {}; write {{ name = …, url = … }}",
                                         quoted_text(id.str()), type_name(node)));
      document_.refuse_unknown_keys(*table, {"name", "url"});
      const toml::node* name = table->get("name");
      if (name == nullptr)
        document_.fail(*table, fmt::format("source {} has no name", quoted_text(id.str())));
      document_.text_of(*name, "name");
      if (const toml::node* url = table->get("url")) document_.text_of(*url, "url");
    }
  }

  /// A key that nothing is held against would be a target that silently is none.
  const FigureKey& figure_key_of(const toml::key& key) const {
    if (const FigureKey* known = figure_key(key.str())) return *known;
    std::vector<std::string> keys;
    for (const FigureKey& known : figure_keys()) keys.emplace_back(known.key);
    std::sort(keys.begin(), keys.end());
    document_.fail(key.source().begin, fmt::format("no figure is called {}{}", quoted_text(key.str()),
                                                   suggestion(key.str(), keys)));
  }

  void read_figures(const toml::key& name, const toml::node& node) {
    const std::string key(name.str());
    const toml::array* list = node.as_array();
    if (list == nullptr) {
      document_.fail(node,
                     fmt::format("figure {} is {}; write a list of {{ value, unit, kind, source }}, and a "
                                 "key with points in quotes",
                                 quoted_text(key), type_name(node)));
    }
    const FigureKey& known = figure_key_of(name);
    for (const toml::node& element : *list) {
      const toml::table* table = element.as_table();
      if (table == nullptr) {
        document_.fail(element, fmt::format("a figure of {} is {}; write {{ value, unit, kind, source }}",
                                            quoted_text(key), type_name(element)));
      }
      platform_.figures.push_back(figure_of(known, *table));
    }
  }

  const toml::node& required(const toml::table& table, const std::string& key, const char* what) const {
    const toml::node* node = table.get(what);
    if (node == nullptr)
      document_.fail(table, fmt::format("a figure of {} has no {}", quoted_text(key), what));
    return *node;
  }

  std::string unit_of(const FigureKey& known, const toml::node& node) const {
    std::string unit = document_.text_of(node, "unit");
    if (std::find(known.units.begin(), known.units.end(), unit) == known.units.end())
      document_.fail(node, fmt::format("{} is in {}, not in {}", quoted_text(known.key),
                                       fmt::join(known.units, " or "), quoted_text(unit)));
    return unit;
  }

  std::string condition_of(const FigureKey& known, const toml::key& name, const toml::node& node) const {
    const std::vector<std::string> allowed = conditions_of(known);
    const FigureCondition* condition = figure_condition(name.str());
    if (condition == nullptr || std::find(allowed.begin(), allowed.end(), name.str()) == allowed.end())
      document_.fail(name.source().begin,
                     fmt::format("a figure of {} has no condition {}{}", quoted_text(known.key),
                                 quoted_text(name.str()), suggestion(name.str(), allowed)));
    std::string text = document_.text_of(node, name.str());
    const bool is_number = condition->is_count && text[0] >= '0' && text[0] <= '9';
    const bool is_any = condition->words.empty() && !condition->is_count;
    const std::vector<std::string> words(condition->words.begin(), condition->words.end());
    if (is_any || is_number || std::find(words.begin(), words.end(), text) != words.end()) return text;
    document_.fail(node,
                   fmt::format("{} of {} is {}{}{}", name.str(), quoted_text(known.key), quoted_text(text),
                               condition->is_count ? "; it has to begin with a number" : "",
                               condition->is_count && words.empty() ? "" : suggestion(text, words)));
  }

  Figure figure_of(const FigureKey& known, const toml::table& table) const {
    const std::string key(known.key);
    document_.refuse_unknown_keys(table, {"value", "unit", "kind", "source", "conditions"});
    Figure figure;
    figure.key = key;
    const toml::node& value = required(table, key, "value");
    const auto number = value.value<double>();
    if (!value.is_number() || !number || !std::isfinite(*number) || *number < 0)
      document_.fail(value, fmt::format("value of {} has to be a number from 0", quoted_text(key)));
    figure.value = *number;
    figure.unit = unit_of(known, required(table, key, "unit"));
    figure.kind = document_.word_of(required(table, key, "kind"), "kind",
                                    {"datasheet", "published", "threshold", "derived"});
    read_source(required(table, key, "source"), figure);
    if (const toml::node* node = table.get("conditions")) {
      const toml::table* conditions = node->as_table();
      if (conditions == nullptr)
        document_.fail(*node, fmt::format("conditions is {}; write {{ nodes = \"2\" }}", type_name(*node)));
      for (const auto& [name, text] : *conditions)
        figure.conditions.emplace(name.str(), condition_of(known, name, text));
    }
    return figure;
  }

  void read_source(const toml::node& node, Figure& figure) const {
    const std::string id = document_.text_of(node, "source");
    const toml::table* source = sources_ == nullptr ? nullptr : (*sources_)[id].as_table();
    if (source == nullptr) {
      std::vector<std::string> ids;
      if (sources_ != nullptr) {
        for (const auto& [known, unused] : *sources_) ids.emplace_back(known.str());
      }
      document_.fail(node,
                     fmt::format("source {} is not among [sources]{}", quoted_text(id), suggestion(id, ids)));
    }
    figure.source = (*source)["name"].value_or(std::string());
    figure.url = (*source)["url"].value_or(std::string());
  }

  TomlDocument document_;
  const toml::table* sources_{};
  Platform platform_;
};

}  // namespace

Platform parse_platform(std::string_view text, const std::string& file) {
  return PlatformReader(text, file).read();
}

const std::vector<Platform>& built_in_platforms() {
  static const std::vector<Platform> platforms = [] {
    std::vector<Platform> all;
    for (const embedded::PlatformText& entry : embedded::platform_texts())
      all.push_back(parse_platform(entry.text, std::string("built-in platform ") + entry.name));
    std::sort(all.begin(), all.end(), [](const Platform& a, const Platform& b) { return a.name < b.name; });
    return all;
  }();
  return platforms;
}

}  // namespace fabricheck::config
