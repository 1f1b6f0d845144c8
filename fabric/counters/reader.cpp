#include "fabric/counters/reader.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <future>
#include <mutex>
#include <system_error>
#include <thread>

#include "core/descriptor.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::counters {
namespace {

namespace fs = std::filesystem;

/// One counter's file: a decimal number and a line end.
std::optional<std::uint64_t> read_number(const std::string& file, std::string& why) {
  constexpr std::size_t longest = 32;
  const std::optional<std::string> text = read_regular_file(file, why, longest);
  if (!text) return std::nullopt;
  std::uint64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, failed] = std::from_chars(text->data(), end, value);
  if (failed != std::errc{} || std::any_of(stop, end, [](char c) { return c != '\n' && c != ' '; })) {
    why = "it reads " + topology::in_quotes(*text);
    return std::nullopt;
  }
  return value;
}

struct CounterFile {
  Key key;
  std::string path;
};

/// One port, and what of it is worth reading.
struct PortFiles {
  PortIdentity port;
  std::vector<CounterFile> files;
  std::size_t statistics{};                               ///< how many the net device has
  std::vector<std::pair<std::size_t, std::string>> kept;  ///< place and name of those that mean something
};

std::string place(const PortIdentity& port) {
  return fmt::format("{} port {}", topology::printable(port.device), port.number);
}

}  // namespace

struct Reader::State {
  std::string sysroot;
  std::shared_ptr<NicStatistics> statistics;
  std::vector<PortFiles> ports;
  bool prepared{};
  std::mutex mutex;                  ///< of what follows
  std::vector<std::string> unknown;  ///< not yet taken

  void tell(std::string sentence) {
    const std::scoped_lock lock(mutex);
    unknown.push_back(std::move(sentence));
  }

  void find_files(PortFiles& port, Source source) {
    const fs::path folder = fs::path(sysroot) / "sys/class/infiniband" / port.port.device / "ports" /
                            std::to_string(port.port.number) / source_name(source);
    std::error_code error;
    for (const CounterRow& row : counter_rows()) {
      if (row.source != source) continue;
      const fs::path file = folder / row.name;
      if (fs::exists(file, error)) port.files.push_back({{source, row.name}, file.string()});
    }
  }

  void find_statistics(PortFiles& port) {
    if (!statistics || port.port.net_device.empty()) return;
    std::string why;
    const auto names = statistics->names(port.port.net_device, why);
    if (!names) {
      tell(fmt::format(
          "counters: {} ({}) tells no statistics ({}), so pauses and discards of its classes are not known",
          place(port.port), topology::printable(port.port.net_device), why));
      return;
    }
    port.statistics = names->size();
    for (std::size_t i = 0; i < names->size(); ++i)
      if (find_counter(Source::ethtool, (*names)[i])) port.kept.emplace_back(i, (*names)[i]);
  }

  void prepare() {
    if (prepared) return;
    prepared = true;
    for (PortFiles& port : ports) {
      find_files(port, Source::counters);
      find_files(port, Source::hw_counters);
      if (port.files.empty())
        tell(fmt::format("counters: {} has none that are known, so what it loses is not seen",
                         place(port.port)));
      find_statistics(port);
    }
  }

  PortReading read(PortFiles& port) {
    PortReading reading;
    reading.port = port.port;
    std::string why, first_bad;
    std::vector<CounterFile> readable;
    for (const CounterFile& file : port.files) {
      const auto value = read_number(file.path, why);
      if (!value) {
        if (first_bad.empty()) first_bad = fmt::format("{} ({})", file.path, why);
        continue;
      }
      reading.values[file.key] = *value;
      readable.push_back(file);
    }
    if (!first_bad.empty()) {
      // mlx5 refuses some counters on some ports; asking again would only cost time.
      tell(fmt::format("counters: {} of {} of {} cannot be read, the first is {}",
                       port.files.size() - readable.size(), port.files.size(), place(port.port), first_bad));
      port.files = std::move(readable);
    }
    read_statistics(port, reading);
    return reading;
  }

  void read_statistics(PortFiles& port, PortReading& reading) {
    if (port.kept.empty()) return;
    std::string why;
    const auto values = statistics->values(port.port.net_device, port.statistics, why);
    if (!values) {
      tell(fmt::format("counters: the statistics of {} cannot be read ({})",
                       topology::printable(port.port.net_device), why));
      port.kept.clear();
      return;
    }
    for (const auto& [at, name] : port.kept)
      if (at < values->size()) reading.values[{Source::ethtool, name}] = (*values)[at];
  }

  std::vector<PortReading> read_all() {
    prepare();
    std::vector<PortReading> readings;
    readings.reserve(ports.size());
    for (PortFiles& port : ports) readings.push_back(read(port));
    return readings;
  }
};

Reader::Reader(ReaderOptions options) : state_(std::make_shared<State>()), deadline_(options.deadline) {
  state_->sysroot = std::move(options.sysroot);
  state_->statistics = std::move(options.statistics);
  for (PortIdentity& port : options.ports) state_->ports.push_back({std::move(port), {}, 0, {}});
}

std::optional<std::vector<PortReading>> Reader::read() {
  if (gave_up_) return std::nullopt;
  if (state_->ports.empty()) return std::vector<PortReading>{};
  auto promise = std::make_shared<std::promise<std::vector<PortReading>>>();
  auto readings = promise->get_future();
  std::thread([state = state_, promise] {
    try {
      promise->set_value(state->read_all());
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  }).detach();
  if (readings.wait_for(deadline_) == std::future_status::timeout) {
    gave_up_ = true;
    unknown_.push_back(
        fmt::format("counters: reading them took more than {} ms, so they are not read any more; a driver "
                    "or its firmware is slow or hangs",
                    deadline_.count()));
    return std::nullopt;
  }
  return readings.get();
}

std::vector<std::string> Reader::take_unknown() {
  const std::scoped_lock lock(state_->mutex);
  std::vector<std::string> all = std::move(state_->unknown);
  state_->unknown.clear();
  all.insert(all.end(), unknown_.begin(), unknown_.end());
  unknown_.clear();
  return all;
}

}  // namespace fabricheck::counters
