// Errors: one sentence that says what, where and what to do. The type decides the exit status.
#pragma once

#include <stdexcept>
#include <string>

namespace fabricheck {

/// The tool or its environment is broken (exit status 3).
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A wrong option, file or launch; reported before anything is measured (exit status 2).
class UsageError : public Error {
 public:
  using Error::Error;
};

/// This check cannot be done here, for a reason that is no fault: it is SKIPPED and the run goes on.
class Unavailable : public Error {
 public:
  using Error::Error;
};

/// This rank failed only because another one did: its words are no cause, and are shown where nobody has
/// better ones.
class Echo : public Error {
 public:
  using Error::Error;
};

/// This rank only knows that something did not end; any other rank's words are better.
class Waited : public Echo {
 public:
  using Echo::Echo;
};

}  // namespace fabricheck
