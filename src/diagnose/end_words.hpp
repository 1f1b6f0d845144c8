// How the ends of programs look that no phrase knows by name.
#pragma once

#include <cstdint>
#include <string_view>

namespace fabricheck::diagnose {

/// What a line that is none of NCCL's tells of the process that wrote it. `complaint` is an error that
/// programs go on after as well as not; `end` is the end of a process or a failure.
enum class LastWords : std::uint8_t { none, complaint, end };

/// Ends are an exception, a fatal signal, a status that is not 0, a loss that is no number, what a tool says
/// of broken hardware; complaints are what a logger calls an error. What it was of cannot be told, only that
/// nobody can say "healthy" beside it.
LastWords last_words_of(std::string_view line);

}  // namespace fabricheck::diagnose
