#include "unit/report/schema_validator.hpp"

#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

namespace fabricheck::report_test {

std::optional<std::vector<std::string>> schema_errors(std::string_view schema_text,
                                                      std::string_view json_text) {
  std::vector<std::string> errors;
  try {
    const nlohmann::json schema_json = nlohmann::json::parse(schema_text);
    const nlohmann::json json = nlohmann::json::parse(json_text);
    valijson::Schema schema;
    valijson::SchemaParser(valijson::SchemaParser::kDraft7)
        .populateSchema(valijson::adapters::NlohmannJsonAdapter(schema_json), schema);
    valijson::ValidationResults results;
    valijson::Validator validator(valijson::Validator::kStrongTypes);
    if (!validator.validate(schema, valijson::adapters::NlohmannJsonAdapter(json), &results)) {
      valijson::ValidationResults::Error error;
      while (results.popError(error)) {
        std::string where;
        for (const std::string& step : error.context) where += step;
        errors.push_back(where + ": " + error.description);
      }
      if (errors.empty()) errors.emplace_back("not valid");
    }
  } catch (const std::exception& error) {
    errors.emplace_back(error.what());
  }
  return errors;
}

}  // namespace fabricheck::report_test
