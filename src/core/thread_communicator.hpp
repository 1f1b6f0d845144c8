// Ranks as threads of one process: the control plane without MPI.
#pragma once

#include <functional>
#include <memory>

#include "core/communicator.hpp"

namespace fabricheck {

/// Runs `body` once per rank, each in a thread with a communicator over all; returns when all have returned.
/// The first exception of any rank is thrown on. A rank that throws leaves the others' collectives with an
/// exception instead of a wait for ever.
void run_ranks(int ranks, const std::function<void(Communicator&)>& body);

}  // namespace fabricheck
