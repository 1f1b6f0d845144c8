#include "support/nvml/machine.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

namespace fabricheck::standin {
namespace {

using Json = nlohmann::json;

/// The file, laid over the one that it names as its base: beside it, or among the fixtures.
Json read(const std::filesystem::path& file, int depth = 0) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error(file.string() + " cannot be read");
  Json machine = Json::parse(in);
  if (!machine.contains("base")) return machine;
  if (depth > 8) throw std::runtime_error(file.string() + ": bases of bases without end");
  const std::filesystem::path name = machine.at("base").get<std::string>();
  const auto beside = file.parent_path() / name;
  Json base = read(std::filesystem::exists(beside) ? beside : std::filesystem::path(STANDIN_MACHINES) / name,
                   depth + 1);
  machine.erase("base");
  base.merge_patch(machine);
  return base;
}

const Json* at(const Json& json, const std::string& pointer) {
  const Json::json_pointer path(pointer);
  return json.contains(path) ? &json.at(path) : nullptr;
}

/// Whether {"call": …, "gpu": …, "link": …} means this call; what is left out matches all.
bool means(const Json* rule, const std::string& call, int gpu, int link) {
  if (rule == nullptr || rule->value("call", "") != call) return false;
  return rule->value("gpu", gpu) == gpu && rule->value("link", link) == link;
}

/// machine.json beside the library, for callers whose environment is taken from them; empty: there is none.
std::string machine_beside_library() {
  Dl_info library{};
  if (::dladdr(reinterpret_cast<void*>(&machine_beside_library), &library) == 0) return {};
  const auto file = std::filesystem::path(library.dli_fname).parent_path() / "machine.json";
  std::error_code unreadable;
  return std::filesystem::exists(file, unreadable) ? file.string() : std::string{};
}

}  // namespace

struct Machine::Content {
  Json host;
  std::vector<Json> gpus;
  const Json* hang{};
  const Json* crash{};
  const Json* lacks{};

  const Json* node(int gpu, const std::string& pointer) const {
    return at(gpu == kHost ? host : gpus.at(static_cast<std::size_t>(gpu)), pointer);
  }
};

Machine::Machine() : content_{std::make_unique<Content>()} {
  std::string file = machine_beside_library();
  if (const char* const named = std::getenv("FABRICHECK_STANDIN_NVML"); named != nullptr) file = named;
  if (file.empty()) {
    fault_ = "FABRICHECK_STANDIN_NVML names no file";
    return;
  }
  try {
    Json& host = content_->host;
    host = read(file);
    const auto count = host.value("count", 0U);
    for (unsigned index = 0; index < count; ++index) {
      Json gpu = host.value("gpu", Json::object());
      const std::string own = "/overrides/" + std::to_string(index);
      if (const Json* const override = at(host, own)) gpu.merge_patch(*override);
      const std::string place = "/pci/" + std::to_string(index);
      if (const Json* const pci = at(host, place); pci != nullptr && !gpu.contains("pci")) gpu["pci"] = *pci;
      content_->gpus.push_back(std::move(gpu));
    }
    content_->hang = at(host, "/hang");
    content_->crash = at(host, "/crash");
    content_->lacks = at(host, "/lacks");
  } catch (const std::exception& error) {
    fault_ = error.what();
  }
}

Machine::~Machine() = default;

const Machine& Machine::get() {
  static const Machine machine;
  return machine;
}

unsigned Machine::count() const { return static_cast<unsigned>(content_->gpus.size()); }

int Machine::enter(const char* call, int gpu, int link) const {
  if (const auto delay_ms = number(kHost, "/delay_ms"))
    std::this_thread::sleep_for(std::chrono::milliseconds(*delay_ms));
  while (means(content_->hang, call, gpu, link)) ::pause();
  if (means(content_->crash, call, gpu, link)) {
    std::raise(SIGSEGV);
    std::abort();
  }
  constexpr int kFunctionNotFound = 13;
  const Json* const lacks = content_->lacks;
  if (lacks != nullptr && std::find(lacks->begin(), lacks->end(), call) != lacks->end())
    return kFunctionNotFound;
  const Json& place = gpu == kHost ? content_->host : content_->gpus.at(static_cast<std::size_t>(gpu));
  if (!place.contains("returns")) return 0;
  const auto status = number(gpu, std::string("/returns/") + call);
  return status ? static_cast<int>(*status) : 0;
}

std::optional<long long> Machine::number(int gpu, const std::string& pointer) const {
  const Json* const found = content_->node(gpu, pointer);
  if (found == nullptr) return std::nullopt;
  if (found->is_boolean()) return found->get<bool>() ? 1 : 0;
  return found->is_number_integer() ? std::optional<long long>(found->get<long long>()) : std::nullopt;
}

std::optional<std::string> Machine::text(int gpu, const std::string& pointer) const {
  const Json* const found = content_->node(gpu, pointer);
  if (found == nullptr || !found->is_string()) return std::nullopt;
  std::string text = found->get<std::string>();
  for (std::size_t place = 0; (place = text.find('#')) != std::string::npos;) {
    text.replace(place, 1, std::to_string(gpu));
  }
  return text;
}

bool Machine::holds(int gpu, const std::string& pointer, int number) const {
  const Json* const found = content_->node(gpu, pointer);
  return found != nullptr && std::find(found->begin(), found->end(), number) != found->end();
}

unsigned Machine::size(int gpu, const std::string& pointer) const {
  const Json* const found = content_->node(gpu, pointer);
  return found == nullptr ? 0 : static_cast<unsigned>(found->size());
}

}  // namespace fabricheck::standin
