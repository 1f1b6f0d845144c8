// Files that have to be unpacked before anything can be read in them.
#pragma once

#include <string>
#include <string_view>

namespace fabricheck::app {

/// By the first 512 bytes: "is compressed by xz; unpack it first (xz -d)". Empty where it is no such file.
std::string why_packed(std::string_view begin);

}  // namespace fabricheck::app
