#include "diagnose/cuda_errors.hpp"

#include <array>
#include <utility>

#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose {
namespace {

// cudaGetErrorString, which older versions of NCCL print without the number.
constexpr std::array<std::pair<std::string_view, CudaCause>, 22> kTexts{{
    {"illegal memory access", CudaCause::program},
    {"unspecified launch failure", CudaCause::program},
    {"device-side assert", CudaCause::program},
    {"misaligned address", CudaCause::program},
    {"illegal instruction", CudaCause::program},
    {"uncorrectable ECC error", CudaCause::hardware},
    {"uncorrectable NVLink error", CudaCause::hardware},
    {"or a hardware error", CudaCause::hardware},
    {"out of memory", CudaCause::memory},
    {"system not yet initialized", CudaCause::not_ready},
    {"driver version is insufficient", CudaCause::driver},
    {"unsupported display driver / cuda driver combination", CudaCause::driver},
    {"peer mapping resources exhausted", CudaCause::peer_mappings},
    {"driver shutting down", CudaCause::ending},
    {"initialization error", CudaCause::other},
    {"busy or unavailable", CudaCause::other},
    {"is/are busy", CudaCause::other},
    {"invalid argument", CudaCause::the_call},
    {"invalid device ordinal", CudaCause::the_call},
    {"peer access is not supported", CudaCause::the_call},
    {"mapping of buffer object failed", CudaCause::the_call},
    {"operation not supported", CudaCause::the_call},
}};

// cudaError_t, driver_types.h.
constexpr std::array<std::pair<int, CudaCause>, 26> kCodes{{
    {1, CudaCause::the_call},        {2, CudaCause::memory},     {4, CudaCause::ending},
    {35, CudaCause::driver},         {101, CudaCause::the_call}, {205, CudaCause::the_call},
    {214, CudaCause::hardware},      {217, CudaCause::the_call}, {220, CudaCause::hardware},
    {226, CudaCause::hardware},      {400, CudaCause::the_call}, {700, CudaCause::program},
    {704, CudaCause::the_call},      {705, CudaCause::the_call}, {710, CudaCause::program},
    {711, CudaCause::peer_mappings}, {714, CudaCause::program},  {715, CudaCause::program},
    {716, CudaCause::program},       {717, CudaCause::program},  {718, CudaCause::program},
    {719, CudaCause::program},       {800, CudaCause::the_call}, {801, CudaCause::the_call},
    {802, CudaCause::not_ready},     {803, CudaCause::driver},
}};

}  // namespace

CudaCause cuda_cause(int code, std::string_view text) {
  for (const auto& [words, cause] : kTexts)
    if (contains(text, words)) return cause;
  for (const auto& [number, cause] : kCodes)
    if (number == code) return cause;
  // Before 2.18 NCCL printed the text alone.
  return code == 0 && text.empty() ? CudaCause::the_call : CudaCause::other;
}

}  // namespace fabricheck::diagnose
