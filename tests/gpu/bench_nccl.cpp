// NCCL's all-reduce as this program measures it against a bare loop, in turns, with one rank per process:
// each on a GPU of its own, or several on one. Exits with 1 where a limit is missed, with 77 where there is
// no GPU.
//
//   mpirun -n RANKS gpu_bench_nccl [--nccl FILE]
#include <dlfcn.h>
#include <nccl.h>

#include <cstdlib>
#include <cstring>

#include "bench_parts.hpp"
#include "collectives/nccl/catalog.hpp"
#include "control/mpi_session.hpp"
#include "core/error.hpp"

namespace fabricheck::bench {
namespace {

template <class Function>
Function function(void* library, const char* name) {
  const auto found = reinterpret_cast<Function>(::dlsym(library, name));
  if (!found) throw std::runtime_error(std::string("no ") + name);
  return found;
}

/// Without `limits` where ranks share a GPU: they take turns on it, and each measures the other, too.
void all_reduce(Bench& bench, const std::string& path, std::uint64_t bytes,
                const std::optional<Limits>& limits) {
  auto settings = std::make_shared<collectives::nccl::Settings>();
  settings->library = path;
  settings->gpu = bench.setup();
  const auto rows = collectives::nccl::catalog(settings);
  const auto ours = row(rows, "nccl.allreduce.latency").make_timed(bench.request(bytes));
  const std::string file = std::get<std::string>(ours->path().at("nccl_library"));
  void* library = ::dlopen(file.c_str(), RTLD_NOW);
  if (!library) throw std::runtime_error(::dlerror());
  Communicator& world = bench.world();
  ncclUniqueId id{};
  if (world.rank() == 0 &&
      function<decltype(&ncclGetUniqueId)>(library, "ncclGetUniqueId")(&id) != ncclSuccess)
    throw std::runtime_error("ncclGetUniqueId failed");
  world.broadcast(std::as_writable_bytes(std::span<ncclUniqueId, 1>(&id, 1)), 0);
  ncclComm_t communicator{};
  if (function<decltype(&ncclCommInitRank)>(library, "ncclCommInitRank")(&communicator, world.size(), id,
                                                                         world.rank()) != ncclSuccess)
    throw std::runtime_error("ncclCommInitRank failed");
  const auto reduce = function<decltype(&ncclAllReduce)>(library, "ncclAllReduce");
  const Bare bare(bytes);
  const std::string what = fmt::format("nccl allreduce of {} MiB with {} ranks", bytes >> 20, world.size());
  bench.ratio((what + " against a bare loop").c_str(), limits, [&] { return bench.ours_us(*ours); },
              [&] {
                return bench.bare_us(bare.stream, [&] {
                  if (reduce(bare.from, bare.to, bytes / sizeof(float), ncclFloat32, ncclSum, communicator,
                             bare.stream) != ncclSuccess)
                    throw std::runtime_error("ncclAllReduce failed");
                });
              });
  bench.verification_share(("verification of " + what).c_str(), *ours);
  function<decltype(&ncclCommDestroy)>(library, "ncclCommDestroy")(communicator);
}

int run(Communicator& world, const std::string& nccl_library) {
  constexpr std::uint64_t whole = std::uint64_t{2} << 30, shared = std::uint64_t{32} << 20;
  auto setup = std::make_shared<cuda::Setup>();
  int gpus = 0;
  try {
    setup->runtime = cuda::open_runtime("this host");
    gpus = static_cast<int>(setup->runtime->devices().size());
    if (world.size() > gpus) {
      // NCCL refuses two ranks on one GPU of one host; between hosts they talk over sockets.
      ::setenv("NCCL_HOSTID", fmt::format("bench-{}", world.rank()).c_str(), 0);
      setup->ranks_per_gpu = (world.size() + gpus - 1) / gpus;
    }
    setup->device = setup->runtime->open(world.rank() % gpus);
  } catch (const Unavailable& reason) {
    if (world.rank() == 0) fmt::print("skipped: {}\n", reason.what());
    return no_gpu;
  }
  Bench bench(world, setup);
  if (world.size() > gpus)
    all_reduce(bench, nccl_library, shared, std::nullopt);
  else
    all_reduce(bench, nccl_library, whole, Limits{0.99, 1.01});
  collectives::nccl::release_communicators(bench.clock(), 5'000'000'000);
  return world.rank() == 0 && bench.has_missed() ? 1 : 0;
}

}  // namespace
}  // namespace fabricheck::bench

int main(int argc, char** argv) {
  try {
    fabricheck::control::MpiSession session(argc, argv);
    const int status = fabricheck::bench::run(
        session.world(), argc == 3 && std::strcmp(argv[1], "--nccl") == 0 ? argv[2] : "");
    session.finish();
    return status;
  } catch (const std::exception& error) {
    // The others wait for this one: only the end of the job releases them.
    fmt::print(stderr, "gpu_bench_nccl: {}\n", error.what());
    std::fflush(nullptr);
    std::_Exit(3);
  }
}
