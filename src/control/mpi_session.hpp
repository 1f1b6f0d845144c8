// MPI's life and the control communicators over it; mpi.h stays in control's .cpp files.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/communicator.hpp"

namespace fabricheck::control {

/// Initialises MPI (thread level SINGLE: only the caller's thread ever calls MPI) and owns the control
/// communicators. Throws Error when MPI does. finish() must be called by every rank; the destructor makes no
/// MPI call.
class MpiSession {
 public:
  MpiSession(int& argc, char**& argv);
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  /// A duplicate of MPI_COMM_WORLD: control calls never meet measured ones.
  Communicator& world();
  /// What MPI_Get_processor_name says.
  const std::string& host() const { return host_; }
  /// "library", "standard", "thread_level".
  std::map<std::string, std::string> description() const;
  /// Frees the communicators that split() made and calls MPI_Finalize. Collective.
  void finish();

 private:
  std::unique_ptr<Communicator> world_;
  std::string host_;
};

}  // namespace fabricheck::control
