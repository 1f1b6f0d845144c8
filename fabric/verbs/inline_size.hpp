// How much a queue pair takes inline: no device tells beforehand.
#pragma once

#include <cerrno>

namespace fabricheck::verbs {

/// What `create(inline_bytes)` gives, asked for less until the device agrees. Where it gives nothing even for
/// none, errno tells why, or is 0: some providers set none, so it never says whether to ask again.
template <typename Create>
auto with_most_inline(int wanted_bytes, Create&& create) {
  for (int bytes = wanted_bytes;; bytes = bytes > 32 ? bytes / 2 : 0) {
    errno = 0;
    auto made = create(bytes);
    if (made != nullptr || bytes <= 0) return made;
  }
}

}  // namespace fabricheck::verbs
