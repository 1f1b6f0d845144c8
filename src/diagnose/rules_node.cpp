// Rules about GPUs and what is between them, and about what NCCL could not do.
#include <algorithm>
#include <string>

#include "core/fault_texts.hpp"
#include "diagnose/cuda_errors.hpp"
#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose::rules {
namespace {

/// Only the code that handed the first CUDA error (ncclResult_t 1) on is known: its file.
const EventGroup* first_stack(const Context& context, int result) {
  for (const EventGroup* group : context.seen().of(Event::error_stack))
    if (group->code == result) return group;
  return nullptr;
}

/// The stack began in this file, and neither a fault that says more was found, nor which error of CUDA's it
/// was.
const EventGroup* stack_from(const Context& context, const Findings& found, std::string_view file,
                             int result) {
  const EventGroup* first = first_stack(context, result);
  const auto failures = context.seen().of(Event::cuda_failure);
  const bool is_told = std::any_of(failures.begin(), failures.end(), [](const EventGroup* group) {
    return group->as_warning && cuda_cause(*group) != CudaCause::the_call;
  });
  const bool is_explained = std::any_of(
      found.begin(), found.end(), [](const Finding& finding) { return finding.severity == Severity::fatal; });
  return first != nullptr && !is_explained && !is_told && starts_with(first->detail, file) ? first : nullptr;
}

bool cuda_does_not_start(const Context& context) {
  const auto failures = context.seen().of(Event::cuda_failure);
  return std::any_of(failures.begin(), failures.end(),
                     [](const EventGroup* group) { return contains(group->detail, "initialization error"); });
}

bool has_hopper_or_later(const Context& context) {
  return context.gpu_name_has(
      {"H100", "H200", "H800", "H20", "GH200", "B100", "B200", "B300", "GB200", "GB300"});
}

}  // namespace

void fabric_manager(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const Event kind : {Event::fabric_not_ready, Event::cuda_failure})
    for (const EventGroup* group : context.seen().of(kind)) {
      if (kind == Event::cuda_failure && cuda_cause(*group) != CudaCause::not_ready) continue;
      if (finding == nullptr) finding = &add(found, row);
      cite(context, *finding, *group);
    }
  if (finding != nullptr) return;
  for (const EventGroup* group : context.seen().of(Event::manager_failed)) {
    const auto starts = context.seen().of(Event::manager_started);
    const bool came_up = std::any_of(starts.begin(), starts.end(), [&](const EventGroup* start) {
      return start->last_file == group->last_file && start->last_line > group->last_line;
    });
    // Where no NVSwitch is, it has nothing to do; where NCCL has started, it runs by now.
    if (came_up || context.complete() || context.seen().has(Event::no_nvswitch)) continue;
    if (finding == nullptr) {
      finding = &add(found, row, "likely");
      finding->severity = Severity::bad;
      finding->meaning =
          "Fabric Manager did not start: CUDA does not start on GPUs that NVSwitches join without it";
      finding->advice =
          "read why it ended (journalctl -u nvidia-fabricmanager; /var/log/fabricmanager.log); its version "
          "has to "
          "be the driver's";
    }
    cite(context, *finding, *group);
  }
  if (finding != nullptr) return;
  for (const EventGroup* group : context.seen().of(Event::fabric_waiting)) {
    if (finding == nullptr) {
      finding = &add(found, row, "likely");
      finding->severity = Severity::bad;
      finding->meaning =
          "GPUs wait to be registered with the NVSwitch fabric: Fabric Manager does not run, or, with "
          "partitions, none "
          "that they belong to is active; CUDA does not start on them";
    }
    cite(context, *finding, *group);
  }
}

void mnnvl(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const EventGroup* group : context.seen().of(Event::fabric_handle_failed)) {
    if (!group->as_warning) continue;
    if (finding == nullptr) finding = &add(found, row, context.any_mnnvl() ? "certain" : "likely");
    cite(context, *finding, *group);
  }
  if (finding != nullptr || !context.any_mnnvl()) return;
  if (const EventGroup* stack = stack_from(context, found, "transport/p2p.", 1))
    cite(context, add(found, row, "likely"), *stack);
}

void nvls_failed(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const EventGroup* group : context.seen().of(Event::multi_cast_failed)) {
    // Where CUDA itself does not start, its first call there fails, whatever it asks for.
    if (!group->as_warning || says(*group, "initialization error")) continue;
    if (finding == nullptr)
      finding = &add(found, row, says(*group, "invalid argument") ? "likely" : "certain");
    cite(context, *finding, *group);
    const bool goes_on = std::any_of(group->quotes.begin(), group->quotes.end(), [](const Quote& quote) {
      return contains(quote.text, "Proceeding without");
    });
    if (goes_on) finding->severity = Severity::bad;
  }
  if (finding != nullptr) return;
  if (cuda_does_not_start(context)) return;
  if (const EventGroup* stack = stack_from(context, found, "transport/nvls.", 1))
    cite(context, add(found, row, "likely"), *stack);
}

void peer_access(const Context& context, const CatalogRow& row, Findings& found) {
  on_warning(context, row, found);
  for (Found& finding : found) {
    const bool is_frameworks = finding.slug == row.text->slug && says(finding, "custom_all_reduce");
    if (is_frameworks)
      finding.advice =
          "--disable-custom-all-reduce of the framework (vLLM, SGLang), which then leaves it to NCCL; look "
          "at "
          "ACS and IOMMU of the host where the GPUs should reach each other";
  }
}

void p2p_failed(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const EventGroup* group : context.seen().of(Event::ipc_failed)) {
    if (!group->as_warning) continue;
    if (finding == nullptr) finding = &add(found, row, "likely");
    cite(context, *finding, *group);
  }
  if (finding != nullptr) return;
  if (const EventGroup* stack = stack_from(context, found, "transport/p2p.", 1))
    cite(context, add(found, row, "likely"), *stack);
}

void driver_too_old(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const Event kind : {Event::driver_too_old, Event::cuda_failure})
    for (const EventGroup* group : context.seen().of(kind)) {
      if (kind == Event::cuda_failure && cuda_cause(*group) != CudaCause::driver) continue;
      if (finding == nullptr) finding = &add(found, row);
      cite(context, *finding, *group);
    }
  if (finding == nullptr || !says(*finding, "no kernel image")) return;
  finding->meaning = "the program, or a library that it uses, has no code for this kind of GPU";
  finding->advice =
      "use a build that has it: a newer one (of PyTorch, of that library), or compile it for this GPU "
      "(TORCH_CUDA_ARCH_LIST, nvcc -gencode)";
  finding->confirm =
      "python -c 'import torch; print(torch.cuda.get_arch_list())'; nvidia-smi "
      "--query-gpu=name,compute_cap --format=csv";
}

void too_old(const Context& context, const CatalogRow& row, Findings& found) {
  if (!context.seen().has(Event::reverse_path_missing)) return;
  // Hopper came with 2.15; where the version is not said, it is the usual reason nevertheless.
  const auto is_new = [](const std::string& version) {
    std::string_view rest = version;
    if (!take(rest, "2.")) return true;
    return take_number<int>(rest).value_or(99) >= 18;
  };
  const auto& versions = context.versions();
  if (!versions.empty() && std::all_of(versions.begin(), versions.end(), is_new)) return;
  Found& finding = add(found, row, "likely");
  for (const EventGroup* group : context.seen().of(Event::reverse_path_missing))
    cite(context, finding, *group);
  cite(context, finding, context.quote("version"));
}

void bug_upgrade(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const Event kind : {Event::topology_net_missing, Event::reverse_path_missing})
    for (const EventGroup* group : context.seen().of(kind)) {
      if (kind == Event::reverse_path_missing && find(found, fault::nccl_too_old) != nullptr) continue;
      if (finding == nullptr) finding = &add(found, row, "likely");
      cite(context, *finding, *group);
    }
}

void gpu_memory(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const Event kind : {Event::gpu_memory, Event::cuda_failure})
    for (const EventGroup* group : context.seen().of(kind)) {
      const bool is_memory = cuda_cause(*group) == CudaCause::memory;
      if (!group->as_warning || (kind == Event::cuda_failure && !is_memory)) continue;
      if (finding == nullptr) finding = &add(found, row);
      cite(context, *finding, *group);
    }
  for (const EventGroup* group : context.seen().of(Event::program_memory)) {
    if (finding == nullptr) {
      finding = &add(found, row);
      finding->meaning = "GPU memory did not suffice for what the program asked for";
      finding->advice =
          "a smaller model share or batch on each GPU; look whether other processes hold memory there";
    }
    cite(context, *finding, *group);
  }
}

void cuda_error(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const EventGroup* group : context.seen().of(Event::cuda_failure)) {
    const CudaCause cause = cuda_cause(*group);
    const bool has_row =
        cause != CudaCause::the_call && cause != CudaCause::other && cause != CudaCause::peer_mappings;
    if (!group->as_warning || has_row || find(found, fault::nvls_failed) != nullptr) continue;
    if (finding == nullptr) finding = &add(found, row);
    cite(context, *finding, *group);
    if (!group->quotes.empty() && contains(group->quotes.front().text, "Test CUDA failure"))
      finding->meaning = "a CUDA call of nccl-tests failed";
    if (!group->quotes.empty() && contains(group->quotes.front().text, "CUDA error: "))
      finding->meaning = "a CUDA call of the program failed";
    if (contains(group->detail, "is/are busy") || contains(group->detail, "busy or unavailable"))
      finding->advice =
          "end the process that has the GPU (nvidia-smi), or give each rank one of its own; where its "
          "compute "
          "mode is exclusive, nvidia-smi -c 0";
    if (contains(group->detail, "invalid device ordinal"))
      finding->advice =
          "fewer ranks or GPUs per rank on this node (-g, --ntasks-per-node), or CUDA_VISIBLE_DEVICES with "
          "all of them: "
          "a GPU was asked for that the process does not see";
    if (cause == CudaCause::peer_mappings)
      finding->advice =
          "a GPU takes peers only up to a limit of its driver's (8 over PCIe): fewer GPUs in one job or "
          "process on this node, or NCCL_P2P_LEVEL=PIX or NCCL_P2P_DISABLE=1, which are slower";
    if (!group->detail.empty() && !contains(finding->meaning, group->detail))
      finding->meaning += ": " + group->detail;
  }
}

void vm_topology(const Context& context, const CatalogRow& row, Findings& found) {
  const auto unreadable = context.seen().of(Event::pci_link_unreadable);
  const VariableUse* file = context.variable("NCCL_TOPO_FILE");
  const bool has_file =
      file != nullptr || std::any_of(context.seen().ranks.begin(), context.seen().ranks.end(),
                                     [](const RankFacts& rank) { return rank.topology_file; });
  const bool flat = std::any_of(unreadable.begin(), unreadable.end(),
                                [](const EventGroup* group) { return group->code == 0; });
  if (!flat || has_file) return;
  Found& finding = add(found, row, "likely");
  for (const EventGroup* group : unreadable) cite(context, finding, *group);
  finding.component.name.clear();
  // One bridge without a speed is seen on real machines, too.
  if (unreadable.size() < 2) finding.severity = Severity::info;
}

void vm_ats_acs(const Context& context, const CatalogRow& row, Findings& found) {
  const auto refused = [&](Event kind) {
    const auto groups = context.seen().of(kind);
    return std::any_of(groups.begin(), groups.end(),
                       [](const EventGroup* group) { return group->as_warning; });
  };
  const bool is_vm = find(found, fault::vm_topology) != nullptr;
  if (!is_vm || !(refused(Event::mr_failed) || context.seen().has(Event::iommu_fault))) return;
  Found& finding = add(found, row, "possible");
  for (const Event kind : {Event::mr_failed, Event::iommu_fault})
    for (const EventGroup* group : context.seen().of(kind)) cite(context, finding, *group);
}

void p2p_not_used(const Context& context, const CatalogRow& row, Findings& found) {
  const PathSums& paths = context.paths();
  if (paths.shm == 0 || paths.p2p > 0) return;
  Found& finding = add(found, row, "certain");
  cite(context, finding, context.quote("channel SHM"));
}

void nvls_not_used(const Context& context, const CatalogRow& row, Findings& found) {
  if (context.most_nvls_channels() != 0) return;
  if (const VariableUse* off = context.variable("NCCL_NVLS_ENABLE"); off != nullptr && off->value == "0")
    return;
  const VariableUse* asked = context.variable("NCCL_ALGO");
  const bool is_asked =
      (asked != nullptr && contains(asked->value, "NVLS")) ||
      (context.variable("NCCL_NVLS_ENABLE") != nullptr && context.variable("NCCL_NVLS_ENABLE")->value == "1");
  const auto& ranks = context.seen().ranks;
  const bool available =
      std::any_of(ranks.begin(), ranks.end(), [](const RankFacts& rank) { return rank.nvls_available; });
  if (!is_asked && !available && !has_hopper_or_later(context)) return;
  if (context.is_one_rank_per_node()) return;
  Found& finding = add(found, row, is_asked || available ? "likely" : "possible");
  cite(context, finding, context.quote("no nvls channels"));
  if (is_asked && asked != nullptr) cite(context, finding, &asked->quote);
}

namespace {

/// NCCL's calls themselves and its proxy, which only see what went wrong for good.
bool is_outermost(std::string_view file) {
  file.remove_prefix(file.rfind('/') == std::string_view::npos ? 0 : file.rfind('/') + 1);
  return file == "init.cc" || file == "group.cc" || file == "enqueue.cc" || file == "proxy.cc";
}

/// A plugin that is passed over and a socket that is closed at the end hand errors on, too.
bool went_on(const Context& context) {
  const auto stacks = context.seen().of(Event::error_stack);
  return (context.complete() || !context.networks().empty()) &&
         std::none_of(stacks.begin(), stacks.end(),
                      [](const EventGroup* group) { return is_outermost(group->detail); });
}

/// The last warning before the error is handed up says why; what NCCL warned of when it started does not.
const Quote* last_warning(const Context& context) {
  const EventGroup* stack = nullptr;
  for (const EventGroup* group : context.seen().of(Event::error_stack))
    if (!group->quotes.empty() && group->code != 0 && stack == nullptr) stack = group;
  const Quote* last = nullptr;
  for (const EventGroup* group : context.seen().of(Event::unknown_warning))
    for (const Quote& quote : group->quotes) {
      const bool is_behind = stack != nullptr && (quote.file != stack->quotes.front().file ||
                                                  quote.line > stack->quotes.front().line);
      if (is_behind && last != nullptr) continue;
      last = &quote;
    }
  return last;
}

/// With NCCL's own words where it warned in such as have no row.
Found& add_call(const Context& context, const CatalogRow& row, Findings& found) {
  Found& finding = add(found, row, "certain");
  if (const Quote* last = last_warning(context)) {
    finding.meaning = "NCCL handed an error up, with a warning that no rule here knows: " +
                      std::string(after(last->text, "NCCL WARN ").value_or(""));
    cite(context, finding, last);
  }
  for (const EventGroup* group : context.seen().of(Event::unknown_warning)) cite(context, finding, *group);
  return finding;
}

}  // namespace

void call_failed(const Context& context, const CatalogRow& row, Findings& found) {
  const bool is_explained = std::any_of(
      found.begin(), found.end(), [](const Finding& finding) { return finding.severity == Severity::fatal; });
  if (is_explained) return;
  Found* finding = nullptr;
  for (const Event kind : {Event::proxy_error, Event::error_stack, Event::invalid_usage})
    for (const EventGroup* group : context.seen().of(kind)) {
      constexpr int success = 0, in_progress = 7;
      if (kind == Event::error_stack &&
          (group->code == success || group->code == in_progress || went_on(context)))
        continue;
      if (finding == nullptr) finding = &add_call(context, row, found);
      cite(context, *finding, *group);
    }
}

void unexplained(const Context& context, const CatalogRow& row, Findings& found) {
  const bool is_explained = std::any_of(
      found.begin(), found.end(), [](const Finding& finding) { return finding.severity != Severity::info; });
  if (is_explained || !context.has_unexplained()) return;
  Found& finding = add(found, row, "possible");
  for (const EventGroup* group : context.open_ends()) cite(context, finding, *group);
}

void job_recovered(const Context& context, const CatalogRow& row, Findings& found) {
  if (context.seen().recovered.empty()) return;
  Found& finding = add(found, row, "likely");
  for (const EventGroup& group : context.seen().recovered) cite(context, finding, group);
}

}  // namespace fabricheck::diagnose::rules
