#include "control/mpi_session.hpp"

#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <vector>

#include "core/error.hpp"

namespace fabricheck::control {
namespace {

constexpr int point_to_point_tag = 17;
/// Who waits for a measurement looks ever less often: each look wakes a core, and takes time from those that
/// measure where cores are shared.
constexpr useconds_t first_nap_us = 50, longest_nap_us = 1600;

void must(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Error(std::string(what) + " failed: " + std::string(text.data(), static_cast<std::size_t>(length)));
}

int count_of(std::size_t size, const char* what) {
  if (size > static_cast<std::size_t>(INT_MAX))
    throw Error(std::string(what) + ": more than 2^31-1 elements in one control message");
  return static_cast<int>(size);
}

MPI_Op operation(ReduceOp op) {
  return op == ReduceOp::sum ? MPI_SUM : op == ReduceOp::min ? MPI_MIN : MPI_MAX;
}

/// Communicators live until finish(): freeing one is a collective call, which no destructor may make.
std::vector<MPI_Comm>& made() {
  static std::vector<MPI_Comm> communicators;
  return communicators;
}

struct DoubleInt {
  double value;
  int rank;
};

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(MPI_Comm communicator) : communicator_(communicator) {
    must(MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    must(MPI_Comm_rank(communicator_, &rank_), "MPI_Comm_rank");
    must(MPI_Comm_size(communicator_, &size_), "MPI_Comm_size");
    made().push_back(communicator_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void barrier() override { must(MPI_Barrier(communicator_), "MPI_Barrier"); }

  void idle_barrier() override {
    MPI_Request request = MPI_REQUEST_NULL;
    must(MPI_Ibarrier(communicator_, &request), "MPI_Ibarrier");
    useconds_t nap_us = first_nap_us;
    for (int done = 0; !done;) {
      must(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
      if (done) continue;
      ::usleep(nap_us);
      nap_us = std::min(2 * nap_us, longest_nap_us);
    }
  }

  void broadcast(std::span<std::byte> data, int root) override {
    must(MPI_Bcast(data.data(), count_of(data.size(), "broadcast"), MPI_BYTE, root, communicator_),
         "MPI_Bcast");
  }

  void allreduce(std::span<double> values, ReduceOp op) override {
    must(MPI_Allreduce(MPI_IN_PLACE, values.data(), count_of(values.size(), "allreduce"), MPI_DOUBLE,
                       operation(op), communicator_),
         "MPI_Allreduce");
  }

  void reduce_last(std::span<const double> mine, std::span<double> maximum, std::span<int> who,
                   int root) override {
    std::vector<DoubleInt> local(mine.size()), result(rank_ == root ? mine.size() : 0);
    for (std::size_t i = 0; i < mine.size(); ++i) local[i] = {mine[i], rank_};
    must(MPI_Reduce(local.data(), result.data(), count_of(mine.size(), "reduce"), MPI_DOUBLE_INT, MPI_MAXLOC,
                    root, communicator_),
         "MPI_Reduce");
    for (std::size_t i = 0; i < result.size(); ++i) {
      maximum[i] = result[i].value;
      who[i] = result[i].rank;
    }
  }

  std::vector<Bytes> gather(std::span<const std::byte> mine, int root) override {
    const bool is_root = rank_ == root;
    const int my_size = count_of(mine.size(), "gather");
    std::vector<int> sizes(is_root ? static_cast<std::size_t>(size_) : 0);
    must(MPI_Gather(&my_size, 1, MPI_INT, sizes.data(), 1, MPI_INT, root, communicator_), "MPI_Gather");
    std::vector<int> offsets(sizes.size());
    std::size_t total = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      offsets[i] = count_of(total, "gather");
      total += static_cast<std::size_t>(sizes[i]);
    }
    Bytes all(total);
    must(MPI_Gatherv(mine.data(), my_size, MPI_BYTE, all.data(), sizes.data(), offsets.data(), MPI_BYTE, root,
                     communicator_),
         "MPI_Gatherv");
    std::vector<Bytes> parts;
    for (std::size_t i = 0; i < sizes.size(); ++i)
      parts.emplace_back(all.begin() + offsets[i], all.begin() + offsets[i] + sizes[i]);
    return parts;
  }

  void send(std::span<const std::byte> data, int to) override {
    must(
        MPI_Send(data.data(), count_of(data.size(), "send"), MPI_BYTE, to, point_to_point_tag, communicator_),
        "MPI_Send");
  }

  void receive(std::span<std::byte> data, int from) override {
    must(MPI_Recv(data.data(), count_of(data.size(), "receive"), MPI_BYTE, from, point_to_point_tag,
                  communicator_, MPI_STATUS_IGNORE),
         "MPI_Recv");
  }

  std::unique_ptr<Communicator> split(int color, int key) override {
    MPI_Comm part = MPI_COMM_NULL;
    must(MPI_Comm_split(communicator_, color < 0 ? MPI_UNDEFINED : color, key, &part), "MPI_Comm_split");
    if (part == MPI_COMM_NULL) return nullptr;
    return std::make_unique<MpiCommunicator>(part);
  }

 private:
  MPI_Comm communicator_;
  int rank_{};
  int size_{};
};

}  // namespace

MpiSession::MpiSession(int& argc, char**& argv) {
  int level = MPI_THREAD_SINGLE;
  // The watchdog's thread makes no MPI call, so MPI sees one thread. FUNNELED makes Open MPI lock in every
  // call, a third of a small collective's time, which neither published figures nor the usual benchmarks have
  // in them.
  must(MPI_Init_thread(&argc, &argv, MPI_THREAD_SINGLE, &level), "MPI_Init_thread");
  std::array<char, MPI_MAX_PROCESSOR_NAME + 1> name{};
  int length = 0;
  must(MPI_Get_processor_name(name.data(), &length), "MPI_Get_processor_name");
  host_ = std::string(name.data(), static_cast<std::size_t>(length));
  MPI_Comm copy = MPI_COMM_NULL;
  must(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "MPI_Comm_dup");
  world_ = std::make_unique<MpiCommunicator>(copy);
}

MpiSession::~MpiSession() = default;

Communicator& MpiSession::world() { return *world_; }

std::map<std::string, std::string> MpiSession::description() const {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> library{};
  int length = 0, major = 0, minor = 0, level = 0;
  MPI_Get_library_version(library.data(), &length);
  MPI_Get_version(&major, &minor);
  MPI_Query_thread(&level);
  std::string text(library.data(), static_cast<std::size_t>(std::max(0, length)));
  text = text.substr(0, text.find_first_of(",\n"));
  const char* level_name = level == MPI_THREAD_SINGLE       ? "SINGLE"
                           : level == MPI_THREAD_FUNNELED   ? "FUNNELED"
                           : level == MPI_THREAD_SERIALIZED ? "SERIALIZED"
                                                            : "MULTIPLE";
  return {{"library", text},
          {"standard", std::to_string(major) + "." + std::to_string(minor)},
          {"thread_level", level_name}};
}

void MpiSession::finish() {
  world_.reset();
  // The last made first, an order which is the same on every rank of each communicator; the world itself
  // last.
  std::vector<MPI_Comm>& all = made();
  for (std::size_t i = all.size(); i-- > 0;) must(MPI_Comm_free(&all[i]), "MPI_Comm_free");
  all.clear();
  must(MPI_Finalize(), "MPI_Finalize");
}

}  // namespace fabricheck::control
