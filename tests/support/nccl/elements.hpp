// How the stand-in NCCL adds up elements: rounded to their type after every step, as a GPU does.
#pragma once

#include <nccl.h>

#include <cstddef>
#include <vector>

namespace fabricheck::test {

/// Bytes of one element; 0: no such type.
[[nodiscard]] std::size_t element_bytes(ncclDataType_t type);

/// Reduces `count` elements of every rank's `inputs` into `output`, around the ring from a rank that depends
/// on where the element is. `first` is the index of the first element in the whole message.
void reduce(const std::vector<const std::byte*>& inputs, std::byte* output, std::size_t first,
            std::size_t count, ncclDataType_t type, ncclRedOp_t op);

}  // namespace fabricheck::test
