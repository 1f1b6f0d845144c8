// The one MPI session of the test program.
#pragma once

#include "control/mpi_session.hpp"

namespace fabricheck::test {

control::MpiSession& session();

}  // namespace fabricheck::test
