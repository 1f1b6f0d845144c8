// What a call that should fail says.
#pragma once

#include <string>

#include "core/error.hpp"

namespace fabricheck::test {

/// The sentence of the `Kind` of exception that `call` throws; "no error" when it throws none. Any other goes
/// on.
template <class Kind = UsageError, class Call>
std::string sentence_of(Call&& call) {
  try {
    call();
  } catch (const Kind& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace fabricheck::test
