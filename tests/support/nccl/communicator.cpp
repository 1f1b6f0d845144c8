#include "support/nccl/communicator.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>

namespace fabricheck::test {

Faults read_faults(int rank, const std::string& id) {
  static std::mutex mutex;
  static std::string first_id;
  const std::lock_guard lock(mutex);
  if (first_id.empty()) {
    first_id = id;
  }
  Faults faults;
  std::string odd_network;
  bool applies = true;
  const char* text = std::getenv("FABRICHECK_STANDIN_NCCL");
  std::istringstream words(text == nullptr ? "" : text);
  for (std::string word; std::getline(words, word, ',');) {
    const std::size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    const double value = equals == std::string::npos ? 0 : std::atof(word.c_str() + equals + 1);
    const auto count = static_cast<std::uint64_t>(value);
    if (key == "rank") applies = applies && (rank < 0 || rank == static_cast<int>(value));
    if (key == "once") applies = applies && (id.empty() || id == first_id);
    if (key == "hang_at") faults.hang_at = count;
    if (key == "async_error") faults.async_error = count;
    if (key == "flip_at") faults.flip_at = count;
    if (key == "init_hang") faults.init_hang = true;
    if (key == "init_error") faults.init_error = true;
    if (key == "connect_hang") faults.connect_hang = true;
    if (key == "network") faults.network = word.substr(equals + 1);
    if (key == "odd_network") odd_network = word.substr(equals + 1);
    if (key == "no_register") faults.no_register = true;
    if (key == "null_handle") faults.null_handle = true;
    if (key == "version") faults.version = static_cast<int>(value);
    if (key == "latency_us") faults.latency_us = value;
    if (key == "busbw") faults.busbw_gb_per_s = value;
    if (key == "slow") faults.slow_factor = value;
    if (key == "timeout_s") faults.timeout_s = std::chrono::duration<double>(value);
    if (key == "short_from") faults.short_from = count;
    if (key == "short_s") faults.short_s = std::chrono::duration<double>(value);
  }
  if (applies) {
    if (!odd_network.empty()) faults.network = odd_network;
    return faults;
  }
  // What is of the fabric and not of a rank holds for every rank.
  Faults none;
  none.version = faults.version;
  none.network = faults.network;
  none.latency_us = faults.latency_us;
  none.busbw_gb_per_s = faults.busbw_gb_per_s;
  none.timeout_s = faults.timeout_s;
  none.short_from = faults.short_from;
  none.short_s = faults.short_s;
  return none;
}

namespace {

struct LogSettings {
  std::string path;  // empty: nothing is written
  std::string prefix;
  bool tells_choices{};
};

std::mutex log_mutex;
std::optional<LogSettings> log_settings;

LogSettings read_log_settings() {
  LogSettings settings;
  const char* level = std::getenv("NCCL_DEBUG");
  const char* pattern = std::getenv("NCCL_DEBUG_FILE");
  const char* subsystems = std::getenv("NCCL_DEBUG_SUBSYS");
  if (level == nullptr || std::string(level) != "INFO" || pattern == nullptr) {
    return settings;
  }
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  const std::string pid = std::to_string(getpid());
  for (const char* c = pattern; *c != '\0'; ++c) {
    if (*c == '%' && (c[1] == 'h' || c[1] == 'p')) {
      settings.path += *++c == 'h' ? host.data() : pid;
    } else if (*c == '%' && c[1] == '%') {
      settings.path += *++c;
    } else {
      settings.path += *c;
    }
  }
  settings.prefix = std::string(host.data()) + ':' + pid + ':';
  settings.tells_choices =
      subsystems != nullptr && std::string(subsystems).find("TUNING") != std::string::npos;
  return settings;
}

}  // namespace

void forget_log_settings() {
  const std::lock_guard lock(log_mutex);
  log_settings.reset();
}

void log_line(const std::string& text, bool is_choice) {
  const std::lock_guard lock(log_mutex);
  if (!log_settings) {
    log_settings = read_log_settings();
  }
  if (log_settings->path.empty() || (is_choice && !log_settings->tells_choices)) {
    return;
  }
  std::ofstream(log_settings->path, std::ios::app)
      << log_settings->prefix << syscall(SYS_gettid) << " [0] NCCL INFO " << text << '\n';
}

}  // namespace fabricheck::test

using fabricheck::test::Mail;
using fabricheck::test::Shared;

namespace {
constexpr std::size_t kHeadBytes = 4096;
constexpr auto kPollPause = std::chrono::microseconds(50);
}  // namespace

ncclResult_t ncclComm::join() {
  const auto n = static_cast<std::size_t>(ranks);
  mapped_bytes = kHeadBytes + n * fabricheck::test::kSlotBytes + n * n * sizeof(Mail);
  const int file = shm_open(id.c_str(), O_CREAT | O_RDWR, 0600);
  if (file < 0) {
    return ncclSystemError;
  }
  void* memory = MAP_FAILED;
  if (ftruncate(file, static_cast<off_t>(mapped_bytes)) == 0) {
    memory = mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  }
  close(file);
  if (memory == MAP_FAILED) {
    return ncclSystemError;
  }
  shared = static_cast<Shared*>(memory);
  // All have it mapped then, so that the name can go: nothing stays if a rank dies later.
  if (shared->joined.fetch_add(1) + 1 == ranks) {
    shm_unlink(id.c_str());
  }
  return ncclSuccess;
}

void ncclComm::log_connections() {
  if (!logged.insert("connected").second) {
    return;
  }
  const int next = (rank + 1) % ranks;
  const std::string ends = std::to_string(rank) + "[" + std::to_string(rank) + "] -> " +
                           std::to_string(next) + "[" + std::to_string(next) + "]";
  fabricheck::test::log_line("Channel 00/0 : " + ends + " via P2P/CUMEM");
  if (!faults.network.empty()) {
    fabricheck::test::log_line("Channel 01/0 : " + ends + " [send] via NET/" + faults.network + "/0" +
                               (faults.network == "Socket" ? "" : "/GDRDMA"));
  }
}

bool ncclComm::has_all() const { return shared->joined.load() >= ranks; }

ncclResult_t ncclComm::wait_for_all() {
  const auto end = std::chrono::steady_clock::now() + faults.timeout_s;
  while (!has_all() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kPollPause);
  }
  return has_all() ? ncclSuccess : ncclRemoteError;
}

void ncclComm::leave() {
  if (shared != nullptr) {
    if (!has_all()) {
      shm_unlink(id.c_str());
    }
    munmap(shared, mapped_bytes);
    shared = nullptr;
  }
}

std::byte* ncclComm::slot(int of_rank) const {
  return reinterpret_cast<std::byte*>(shared) + kHeadBytes +
         static_cast<std::size_t>(of_rank) * fabricheck::test::kSlotBytes;
}

Mail& ncclComm::mail(int from, int to) const {
  return reinterpret_cast<Mail*>(slot(ranks))[from * ranks + to];
}

std::chrono::duration<double> ncclComm::timeout() const {
  return faults.short_from != 0 && operations >= faults.short_from ? faults.short_s : faults.timeout_s;
}

bool ncclComm::meet() {
  if (shared->broken.load()) {
    return false;
  }
  const std::uint32_t before = shared->generation.load();
  if (shared->arrived.fetch_add(1) + 1 == ranks) {
    shared->arrived.store(0);
    shared->generation.fetch_add(1);
    return true;
  }
  const auto end = std::chrono::steady_clock::now() + timeout();
  for (int polls = 0; shared->generation.load() == before; ++polls) {
    if (shared->broken.load() || std::chrono::steady_clock::now() > end) {
      // The others may all have come, and one of them gone on to abort, since the look at the generation.
      if (shared->generation.load() != before) {
        return true;
      }
      shared->broken.store(true);
      return false;
    }
    if (polls < 100) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(kPollPause);
    }
  }
  return true;
}
