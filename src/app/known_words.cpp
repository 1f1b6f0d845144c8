#include "app/known_words.hpp"

#include "app/catalogue.hpp"
#include "config/platform_file.hpp"
#include "topology/judge/catalog.hpp"

namespace fabricheck::app {

std::vector<std::string> known_check_ids() {
  std::vector<std::string> ids;
  for (const CheckRow& row : catalogue()) ids.push_back(row.id);
  for (const topology::FactRow& row : topology::catalog()) ids.emplace_back(row.id);
  return ids;
}

std::vector<std::string> known_platforms() {
  std::vector<std::string> names;
  for (const Platform& platform : config::built_in_platforms()) {
    names.push_back(platform.name);
    names.insert(names.end(), platform.aliases.begin(), platform.aliases.end());
  }
  return names;
}

}  // namespace fabricheck::app
