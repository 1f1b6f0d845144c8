// What tells that a job went on after a failure where no line says so. Private to this folder.
#pragma once

#include <string_view>

#include "diagnose/observations.hpp"

namespace fabricheck::diagnose {

/// A step of training with its loss: "step 2000 loss 1.9", "iteration 100/ 500 | … | lm loss: 1.2E+00".
bool is_progress(std::string_view line);

/// "[    0.000000] Linux version 5.15.0-100-generic (…)", the first line of a kernel.
bool is_boot(std::string_view line);

/// Notes "… rank 3 nranks 4 … - Init COMPLETE".
void note_completion(std::string_view message, int file, std::uint64_t line, Observations& into);

/// Whether all ranks of the largest communicator that were complete before the group's last line were
/// complete anew after it.
bool was_rebuilt_after(const Observations& seen, const EventGroup& group);

/// Drops complaints that the job went on after: all ranks completed a communicator later, or a line says so.
void drop_passed_complaints(Observations& seen);

/// Makes what went wrong while NCCL freed a communicator, behind a start without any other failure, a
/// warning that no rule knows: the work was done.
void set_teardown_apart(Observations& seen);

/// Whether training made progress after the group's last line, and nothing in the file tells of an end.
bool progressed_after(const Observations& seen, const EventGroup& group);

}  // namespace fabricheck::diagnose
