#include "fabric/nvlink/pair.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "core/error.hpp"
#include "device/cuda/stopwatch.hpp"

namespace fabricheck::nvlink {
Pair::Pair(const std::shared_ptr<const cuda::Setup>& setup, const TimedRequest& request, bool must_reach)
    : setup_(setup), works_(request.group->rank() == 0) {
  all_or_none(*request.group, [&] { cuda::device_of(setup); });
  const std::vector<std::string> addresses =
      allgather_strings(*request.group, setup->device->facts().pci_address);
  from_ = addresses.front();
  to_ = addresses.back();
  all_or_none(*request.group, [&] {
    if (from_ == to_)
      throw Unavailable(fmt::format("both ranks use one GPU ({}): start one rank per GPU", from_));
    if (!works_) return;
    open(to_);
    reaches_ = own().allow_access_to(other());
    // Either way, or a copy back would go through the host.
    reaches_ = other().allow_access_to(own()) && reaches_;
    if (must_reach && !reaches_)
      throw Unavailable(
          fmt::format("{} cannot reach the memory of {}, so no kernel can: copies between them go "
                      "through the host",
                      cuda::gpu_words(own().facts()), cuda::gpu_words(other().facts())));
  });
}

void Pair::open(const std::string& address) {
  const std::vector<cuda::DeviceFacts> visible = setup_->runtime->devices();
  const auto found = std::find_if(visible.begin(), visible.end(),
                                  [&](const cuda::DeviceFacts& one) { return one.pci_address == address; });
  if (found == visible.end())
    throw Unavailable(
        fmt::format("the process of {} does not see the GPU at {}: let every rank see all GPUs of its node "
                    "(CUDA_VISIBLE_DEVICES unset, or Slurm's --gpu-bind=none)",
                    cuda::gpu_words(own().facts()), address));
  other_ = *setup_;
  other_.device = setup_->runtime->open(found->ordinal);
  name_ = found->name;
}

std::map<std::string, Parameter> Pair::path() const {
  std::map<std::string, Parameter> path{{"gpu_from", from_}, {"gpu_to", to_}};
  if (!works_) return path;
  path["gpu_name"] = name_;
  path["access"] = std::string(reaches_ ? "peer" : "through the host");
  return path;
}

}  // namespace fabricheck::nvlink
