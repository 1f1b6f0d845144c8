// What is known of NCCL's variables. Private to this folder.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace fabricheck::diagnose {

std::span<const std::string> known_variables();

/// Whether the name belongs to PyTorch, a plugin or a build script, which NCCL itself does not read.
bool is_of_others(std::string_view name);

/// What took the place of a variable that is out of use; nullptr for any other.
const char* replacement_of(std::string_view name);

/// Why this value takes away speed or hides faults; nullptr where it does not.
const char* harm_of(std::string_view name, std::string_view value);

/// Whether "NAME=VALUE" between these two parts of a line sets something, as in a command, a script or a list
/// of the environment. In a sentence it is advice.
bool is_assignment(std::string_view before, std::string_view after);

/// Whether the ranks of one communicator must have the same value.
bool must_be_equal(std::string_view name);

}  // namespace fabricheck::diagnose
