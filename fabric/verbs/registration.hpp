// How a NIC is given memory: no device tells beforehand what it takes.
#pragma once

#include <cerrno>

namespace fabricheck::verbs {

struct Registration {
  bool as_dmabuf{};  ///< else by its address: a GPU's with nvidia_peermem
  bool relaxed_ordering{};
};

/// What `make(how)` gives, asked for less until the device agrees; `how` is then what it agreed to. A driver
/// of GPUs that exports a dmabuf tells nothing of the NIC's driver, which may know nvidia_peermem only. Where
/// nothing is given, errno and `how` are those of the dmabuf, if there is one.
template <typename Make>
auto with_most_rights(Registration& how, Make&& make) {
  const bool relaxed_ordering = how.relaxed_ordering;
  const auto ordered_if_need_be = [&] {
    auto made = make(how);
    if (made != nullptr || !how.relaxed_ordering || (errno != EINVAL && errno != EOPNOTSUPP)) return made;
    how.relaxed_ordering = false;
    return make(how);
  };
  auto made = ordered_if_need_be();
  if (made != nullptr || !how.as_dmabuf) return made;
  const int why = errno;
  how = {false, relaxed_ordering};
  made = ordered_if_need_be();
  if (made == nullptr) {
    how.as_dmabuf = true;
    errno = why;
  }
  return made;
}

}  // namespace fabricheck::verbs
