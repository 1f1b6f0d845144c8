// Fields that several topology files have in common.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::topology {

/// "0000:18:00.0" of "18:00.0", "00000000:18:00.0" or "0000:18:00.0" in any case. Nothing where it is no
/// address, or the all-ones one that NCCL writes for "none".
std::optional<std::string> parse_pci_address(std::string_view text);

/// 32 of "32.0 GT/s PCIe" or "32 GT/s"; nothing of "", "0" and what is no sane number.
std::optional<double> parse_positive(std::string_view text);

/// The set bits of "ffff0000,00ffffff" (32 bits a group, highest first; empty groups are 0; "0x" and hwloc's
/// "0xf...f" allowed). Nothing where it is no mask or one beyond any machine.
std::optional<std::vector<int>> parse_mask(std::string_view text);

/// The parts between separators, empty ones included.
std::vector<std::string_view> split(std::string_view text, char separator);

std::string_view trimmed(std::string_view text);

bool starts_with(std::string_view text, std::string_view front);

/// By its byte order mark, or by the NUL that each plain character has at its side.
bool is_utf16(std::string_view text);

std::string lower_case(std::string_view text);

/// By vendor:device. Whether the function is a virtual function, as far as the ids tell.
std::optional<bool> is_virtual_function(std::string_view ids);

}  // namespace fabricheck::topology
