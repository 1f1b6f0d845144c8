// Rules about errors that CUDA met while a kernel ran: a fault of the program, or of the GPU under it.
#include <algorithm>
#include <string>
#include <vector>

#include "diagnose/cuda_errors.hpp"
#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose::rules {
namespace {

/// What NCCL met of this kind, in whichever of its calls.
std::vector<const EventGroup*> met_by_nccl(const Context& context, CudaCause cause) {
  std::vector<const EventGroup*> groups = context.seen().of(Event::cuda_failure);
  std::erase_if(groups,
                [&](const EventGroup* group) { return !group->as_warning || cuda_cause(*group) != cause; });
  return groups;
}

/// CUDA has these words for whatever else stopped a kernel, a GPU that failed included.
bool is_unspecific(const EventGroup& group) { return says(group, "unspecified launch failure"); }

}  // namespace

void program_fault(const Context& context, const CatalogRow& row, Findings& found) {
  const auto told = context.seen().of(row.event);
  const auto met = met_by_nccl(context, CudaCause::program);
  if (told.empty() && met.empty()) return;
  const bool is_sure =
      std::any_of(told.begin(), told.end(), [](const EventGroup* group) { return !is_unspecific(*group); });
  const bool is_gpus = has_gpu_fault(context);
  Found& finding = add(found, row, is_sure && !is_gpus ? "certain" : "likely");
  for (const auto& groups : {told, met})
    for (const EventGroup* group : groups) cite(context, finding, *group);
  if (is_gpus) {
    finding.meaning =
        "a kernel of the program failed on the GPU (an illegal access, a failed launch); a GPU with the "
        "errors "
        "that the driver reported does that to a program that is right";
  } else if (!is_sure && std::all_of(met.begin(), met.end(),
                                     [](const EventGroup* group) { return is_unspecific(*group); })) {
    finding.meaning =
        "a kernel stopped on the GPU for a reason that CUDA does not tell (unspecified launch failure): a "
        "fault of the program, of the GPU, or of another GPU's memory that it reached over NVLink";
  }
}

void gpu_hardware(const Context& context, const CatalogRow& row, Findings& found) {
  const auto told = context.seen().of(row.event);
  const auto met = met_by_nccl(context, CudaCause::hardware);
  if (told.empty() && met.empty()) return;
  Found& finding = add(found, row);
  for (const auto& groups : {told, met})
    for (const EventGroup* group : groups) cite(context, finding, *group);
  // "Invalid access of peer GPU memory over nvlink or a hardware error".
  if (says(finding, "CONTAINED") || says(finding, "or a hardware error")) finding.confidence = "likely";
}

}  // namespace fabricheck::diagnose::rules
