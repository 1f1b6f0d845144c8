// The signals that end a job and are taken by a watching thread alone. Private to this folder.
#pragma once

#include <signal.h>

#include <string>

#include "control/side_channel.hpp"

namespace fabricheck::control {

/// SIGINT and SIGTERM.
sigset_t ending_signals();

/// A descriptor that can be read without waiting, for signals that are blocked everywhere else.
Descriptor open_ending_signals();

/// The name of the last one that came since the last call; empty: none did.
std::string take_ending_signal(const Descriptor& signals);

}  // namespace fabricheck::control
