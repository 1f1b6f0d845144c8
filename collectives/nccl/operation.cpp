#include "collectives/nccl/operation.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "collectives/nccl/captured_log.hpp"
#include "collectives/nccl/communicator.hpp"
#include "collectives/nccl/held.hpp"
#include "collectives/nccl/kinds.hpp"
#include "collectives/nccl/rank_differences.hpp"
#include "collectives/nccl/vendor_types.hpp"
#include "collectives/patterns.hpp"
#include "collectives/values.hpp"
#include "core/error.hpp"
#include "core/units.hpp"
#include "device/cuda/handles.hpp"

namespace fabricheck::collectives::nccl {
namespace {

/// Iterations that are on the GPU at the same time: enough that it never waits for the CPU.
constexpr std::size_t most_in_flight = 256;
/// NCCL's queue of work holds fewer calls the more ranks each of them sends to; a call that finds it full
/// waits.
constexpr std::size_t calls_times_ranks = 512, least_in_flight = 4;
constexpr std::uint64_t large_bytes = std::uint64_t{64} << 20;
/// What no input and no result is in any type.
constexpr std::uint8_t poison_byte = 0x7e;
constexpr std::uint64_t least_elements_tried = 1;
/// After an abort its kernels leave the GPU within this, or its memory is left to it.
constexpr std::int64_t leave_ns = 2'000'000'000;
constexpr double ns_per_us = 1000.0;
/// Ranks begin apart by far less than a hundredth of it.
constexpr double long_us = 20'000.0;

class NcclOperation final : public TimedOperation {
 public:
  NcclOperation(const Row& row, const std::shared_ptr<const Settings>& settings, const TimedRequest& request)
      : row_(row), kind_(kind_of(row.name)), settings_(settings), request_(request), clock_(*request.clock) {
    all_or_none(*request_.group, [&] {
      gpu_ = &cuda::device_of(settings_->gpu);
      // NCCL takes the thread's current GPU, and another check may have left it at another one.
      static_cast<void>(gpu_->memory_left());
      calls_ = open_library(settings_->library);
      const std::string why = inexact_because(request_.variant, request_.group->size());
      if (row_.reduces && !why.empty()) throw Unavailable(why);
      refuse_what_nccl_lacks();
    });
    shape_.rank = request_.group->rank();
    shape_.size = request_.group->size();
    shape_.variant = request_.variant;
    const std::uint64_t before = captured_bytes(settings_->log_file);
    // Ranks find each other over the network, hundreds of them: that takes longer than any operation.
    communicator_ = group_communicator(calls_, request_, settings_->gpu, words(), 2 * deadline_ns());
    calls_logged_from_ = captured_bytes(settings_->log_file);
    communicator_->add_said(captured_facts(settings_->log_file, before, calls_logged_from_));
    allocate();
    all_or_none(*request_.group, [&] {
      if (settings_->register_buffers)
        registered_.take(calls_, communicator_,
                         {{held_->input.get(), input_bytes()}, {held_->output.get(), output_bytes()}});
    });
  }

  ~NcclOperation() override {
    registered_.release();
    // Memory that a kernel may still write to is not given back, and giving it back would wait for the
    // kernel.
    if (is_abandoned_) leave(std::move(held_));
  }
  NcclOperation(const NcclOperation&) = delete;
  NcclOperation& operator=(const NcclOperation&) = delete;

  /// Filling and comparing cost about three passes over memory: beside so many iterations they are little. Of
  /// large ones on a slow network several would last longer than the watchdog waits.
  std::size_t least_batch() const override { return request_.bytes < large_bytes ? 4 : 1; }
  bool verifies_each() const override { return false; }

  void prepare(std::uint64_t first, std::size_t) override {
    iteration_ = first;
    std::byte* output = output_base();
    gpu_->set(output, poison_byte, output_bytes(), stream());
    std::byte* input = is_in_place() ? output : held_->input.get();
    const std::uint64_t offset = is_in_place() ? kind_.input_offset(shape_) : 0;
    for (const Block& block : kind_.inputs(shape_, first)) {
      if (block.elements == 0) continue;
      gpu_->fill(input + (offset + block.first) * element_bytes(), block.elements * element_bytes(),
                 block.pattern, stream());
    }
    finish("its inputs");
  }

  void run(std::uint64_t first, std::span<double> times_us) override {
    // Once without a clock: connections are made with the first call, and ranks begin apart. Of long ones, so
    // that half of the time does not go by unmeasured, only where they need it.
    const bool is_ready = is_connected_ && !is_in_place() && (!settings_->cuda_graph || held_->graph);
    if (!is_ready || last_us_ < long_us) {
      launch(first);
      finish_iteration(first);
    }
    // Before the next one takes the result for its input.
    if (is_in_place()) compare(first);
    if (settings_->cuda_graph && !held_->graph) capture();
    for (std::size_t done = 0; done < times_us.size();) {
      const std::size_t fits = std::clamp(calls_times_ranks / static_cast<std::size_t>(shape_.size),
                                          least_in_flight, most_in_flight);
      const std::size_t count = std::min(fits, times_us.size() - done);
      run_some(first + done, times_us.subspan(done, count));
      done += count;
    }
    last_us_ = times_us.empty() ? 0.0 : times_us.back();
    if (!is_in_place()) compare(first);
  }

  double comparing_us() const override { return comparing_us_; }

  Verified verify(std::uint64_t first, std::size_t) override {
    const std::vector<Block> blocks = kind_.results(shape_, first);
    Verified verified;
    verified.messages = request_.group->rank() == 0 ? 1 : 0;
    for (std::size_t i = 0; i < blocks.size() && !verified.mismatch; ++i) {
      device::Difference difference;
      std::memcpy(&difference, held_->found_here.get() + i * sizeof difference, sizeof difference);
      if (blocks[i].elements == 0 || difference.wrong == 0) continue;
      const std::uint64_t place = device::place_of(blocks[i].pattern.first + difference.first_index);
      verified.mismatch = Mismatch{request_.world_rank,
                                   request_.host,
                                   first,
                                   blocks[i].first + difference.first_index,
                                   blocks[i].pattern.values[place],
                                   value_of(shape_.variant.type, difference.got_bits)};
    }
    return verified;
  }

  void compare_ranks() override {
    // Its connections are made.
    communicator_->add_said(said_of_calls());
    const std::string mine = rank_facts_to_text(request_.host, library_facts());
    std::vector<RankFacts> all;
    for (const std::string& text : gather_strings(*request_.group, mine, 0))
      all.push_back(rank_facts_from_text(text, request_.world_ranks[all.size()]));
    differences_ = rank_differences(all);
    is_without_network_ = is_without_network(all);
  }

  std::map<std::string, Parameter> path() const override {
    std::map<std::string, Parameter> facts = library_facts();
    facts.insert(differences_.begin(), differences_.end());
    if (is_without_network_) facts.erase("nccl_network");
    facts["gpu_name"] = gpu_->facts().name;
    facts["gpu_address"] = gpu_->facts().pci_address;
    facts["cuda_graph"] = std::string(settings_->cuda_graph ? "yes" : "no");
    facts["registered"] = registered_.words();
    if (launches_ > 0) facts["launch_us"] = launch_us_ / static_cast<double>(launches_);
    if (series_ > 0)
      facts["gpu_waited_for_launches_percent"] =
          100.0 * static_cast<double>(series_waited_) / static_cast<double>(series_);
    if (settings_->gpu->ranks_per_gpu > 1)
      facts["ranks_per_gpu"] = static_cast<std::int64_t>(settings_->gpu->ranks_per_gpu);
    if (!made_smaller_.empty()) {
      facts["bytes_used"] = static_cast<std::int64_t>(shape_.elements * element_bytes());
      facts["made_smaller"] = made_smaller_;
    }
    return facts;
  }

 private:
  std::size_t element_bytes() const { return type_bytes(shape_.variant.type); }
  bool is_in_place() const { return shape_.variant.in_place; }
  cuda::Stream stream() const { return held_->stream.get(); }
  std::int64_t deadline_ns() const { return settings_->gpu->deadline_ns; }
  std::byte* output_base() const { return held_->output.get(); }
  std::uint64_t input_bytes() const {
    return is_in_place() ? 0 : std::max<std::uint64_t>(1, kind_.input_elements(shape_)) * element_bytes();
  }
  std::uint64_t output_bytes() const {
    const std::uint64_t elements = is_in_place()
                                       ? std::max(kind_.input_elements(shape_), kind_.output_elements(shape_))
                                       : kind_.output_elements(shape_);
    return std::max<std::uint64_t>(1, elements) * element_bytes();
  }
  std::uint64_t found_bytes() const {
    return static_cast<std::uint64_t>(shape_.size) * sizeof(device::Difference);
  }
  std::string words() const { return fmt::format("{} on {}", cuda::gpu_words(gpu_->facts()), request_.host); }

  /// What NCCL's log says since the communicator was there. Of ranks that are threads of one process it is
  /// what all of them did.
  NcclFacts said_of_calls() const {
    return captured_facts(settings_->log_file, calls_logged_from_, captured_bytes(settings_->log_file));
  }

  std::map<std::string, Parameter> library_facts() const {
    std::map<std::string, Parameter> facts = facts_to_parameters(
        facts_of_calls(captured_facts(settings_->log_file), communicator_->said(), said_of_calls()),
        kind_.sends());
    facts["nccl_version"] = calls_->version_words();
    facts["nccl_library"] = calls_->path;
    return facts;
  }

  /// A type that only some GPUs add: up to 2.27 so did what only moves it by NCCL's collectives
  /// (ncclEnqueueCheck).
  void refuse_what_nccl_lacks() const {
    const NcclType& needs = nccl_type_row(request_.variant.type);
    if (calls_->version < needs.first_version)
      throw Unavailable(fmt::format("NCCL {} has no {}: {}.{} is the first", calls_->version_words(),
                                    type_name(needs.type), needs.first_version / 10000,
                                    needs.first_version / 100 % 100));
    constexpr int moves_anywhere = 22800;
    const bool only_moves =
        row_.name == std::string_view("allgather") || row_.name == std::string_view("broadcast");
    const bool needs_adder = row_.reduces || (only_moves && calls_->version < moves_anywhere);
    if (needs_adder && gpu_->facts().major < needs.reduces_from)
      throw Unavailable(fmt::format(
          "NCCL {} {} {} from compute capability {}.0 on, and {} has {}.{}", calls_->version_words(),
          row_.reduces ? "reduces" : "gathers and broadcasts", type_name(needs.type), needs.reduces_from,
          words(), gpu_->facts().major, gpu_->facts().minor));
  }

  /// The same size on every rank.
  void allocate() {
    std::uint64_t bytes = request_.bytes;
    for (;;) {
      shape_.elements = row_.payload(bytes, shape_.size, element_bytes()) / element_bytes();
      if (shape_.elements < least_elements_tried)
        throw Unavailable(made_smaller_.empty()
                              ? fmt::format("{} are fewer {} elements than the {} ranks", format_bytes(bytes),
                                            type_name(shape_.variant.type), shape_.size)
                              : made_smaller_);
      if (kind_.piece_begins) shape_.piece_begins = kind_.piece_begins(shape_);
      std::string refused;
      bool is_error = false;
      try {
        take();
      } catch (const cuda::OutOfMemory& error) {
        refused = error.what();
      } catch (const Error& error) {
        refused = error.what();
        is_error = true;
      }
      std::array<double, 2> trouble{refused.empty() ? 0.0 : 1.0, is_error ? 1.0 : 0.0};
      request_.group->allreduce(trouble, ReduceOp::max);
      if (trouble[1] > 0.0)
        all_or_none(*request_.group, [&] {
          if (is_error) throw Error(refused);
        });
      if (trouble[0] == 0.0) return;
      held_.reset();
      for (const std::string& one : allgather_strings(*request_.group, refused))
        if (!one.empty() && made_smaller_.empty()) made_smaller_ = one;
      bytes /= 2;
    }
  }

  void take() {
    held_ = std::make_unique<Held>();
    const cuda::Setup& setup = *settings_->gpu;
    if (input_bytes() > 0) held_->input = cuda::allocate(setup, input_bytes());
    held_->output = cuda::allocate(setup, output_bytes(), input_bytes());
    held_->found = cuda::allocate(setup, found_bytes(), input_bytes() + output_bytes());
    held_->found_here = cuda::PinnedHandle(*gpu_, gpu_->allocate_pinned(found_bytes()));
    held_->stream = cuda::StreamHandle(*gpu_, gpu_->make_stream());
    held_->after = cuda::EventHandle(*gpu_, gpu_->make_event());
  }

  Place place() const {
    Place place;
    place.input =
        is_in_place() ? output_base() + kind_.input_offset(shape_) * element_bytes() : held_->input.get();
    place.output = output_base() + (is_in_place() ? kind_.output_offset(shape_) * element_bytes() : 0);
    place.communicator = communicator_->get();
    place.stream = reinterpret_cast<cudaStream_t>(stream());
    return place;
  }

  void call() {
    const std::int64_t until_ns = clock_.now_ns() + deadline_ns();
    try {
      if (is_connected_) {
        communicator_->must(kind_.run(*calls_, shape_, place()), row_.call, clock_, until_ns);
        return;
      }
      first_call(until_ns);
      is_connected_ = true;
    } catch (const Echo& echo) {
      give_up();
      throw Echo(fmt::format("{}: {}", words(), echo.what()));
    } catch (const Error& error) {
      give_up();
      throw Error(fmt::format("{}: {}", words(), error.what()));
    }
  }

  void first_call(std::int64_t until_ns) {
    const bool asks = !settings_->cuda_graph && request_.group->rank() == 0 && calls_->reset_log != nullptr;
    {
      const ChoicesTold told(calls_->reset_log, settings_->log_file, asks);
      communicator_->must_within([calls = calls_, kind = &kind_, shape = shape_,
                                  place = place()] { return kind->run(*calls, shape, place); },
                                 row_.call, clock_, until_ns);
    }
    if (!asks) return;
    // The next call opens the log anew: an empty group, lest a timed one does.
    calls_->group_start();
    communicator_->must(calls_->group_end(), "ncclGroupEnd", clock_, until_ns);
  }

  void launch(std::uint64_t iteration) {
    if (communicator_->is_broken())
      throw Echo(fmt::format("{}: iteration {} of {} was not begun, its communicator has failed", words(),
                             iteration, kind_.name));
    if (held_->graph) {
      gpu_->launch(held_->graph.get(), stream());
    } else {
      call();
    }
  }

  void capture() {
    gpu_->begin_capture(stream());
    try {
      // With NVLS NCCL registers the buffers of a graph with all ranks of the node, which waits for them.
      is_connected_ = false;
      call();
    } catch (const Error&) {
      // A stream that is left capturing would refuse all that follows on this thread.
      try {
        const cuda::GraphHandle discarded(*gpu_, gpu_->end_capture(stream()));
      } catch (const Error&) {
        is_abandoned_ = true;
      }
      throw;
    }
    held_->graph = cuda::GraphHandle(*gpu_, gpu_->end_capture(stream()));
  }

  void run_some(std::uint64_t first, std::span<double> times_us) {
    while (held_->begins.size() < times_us.size()) {
      held_->begins.emplace_back(*gpu_, gpu_->make_event());
      held_->ends.emplace_back(*gpu_, gpu_->make_event());
    }
    const std::int64_t begun_ns = clock_.now_ns();
    for (std::size_t i = 0; i < times_us.size(); ++i) {
      gpu_->record(held_->begins[i].get(), stream());
      launch(first + i);
      gpu_->record(held_->ends[i].get(), stream());
    }
    launch_us_ += static_cast<double>(clock_.now_ns() - begun_ns) / ns_per_us;
    launches_ += times_us.size();
    // A launch also lasts long where NCCL's queue is full; but then the GPU has work left.
    if (times_us.size() >= least_in_flight) {
      ++series_;
      if (gpu_->is_done(held_->ends[times_us.size() - least_in_flight + 1].get())) ++series_waited_;
    }
    for (std::size_t i = 0; i < times_us.size(); ++i) {
      wait_iteration(held_->ends[i].get(), first + i);
      times_us[i] = gpu_->elapsed_us(held_->begins[i].get(), held_->ends[i].get());
    }
  }

  /// Of each block of results, on the GPU.
  void compare(std::uint64_t first) {
    const std::int64_t begun_ns = clock_.now_ns();
    const std::vector<Block> blocks = kind_.results(shape_, first);
    const std::byte* output =
        output_base() + (is_in_place() ? kind_.output_offset(shape_) * element_bytes() : 0);
    for (std::size_t i = 0; i < blocks.size(); ++i)
      if (blocks[i].elements > 0)
        gpu_->compare(output + blocks[i].first * element_bytes(), blocks[i].elements * element_bytes(),
                      blocks[i].pattern, held_->found.get() + i * sizeof(device::Difference), stream());
    gpu_->copy(held_->found_here.get(), held_->found.get(), found_bytes(), stream());
    finish("the comparison of its results");
    comparing_us_ = static_cast<double>(clock_.now_ns() - begun_ns) / ns_per_us;
  }

  void finish_iteration(std::uint64_t iteration) {
    gpu_->record(held_->after.get(), stream());
    wait_iteration(held_->after.get(), iteration);
  }

  std::string in_iteration(std::uint64_t iteration, const char* what) const {
    return fmt::format("{}: iteration {} of {}: {}", words(), iteration, kind_.name, what);
  }

  void wait_iteration(cuda::Event event, std::uint64_t iteration) {
    try {
      if (cuda::wait_for(*gpu_, event, clock_, clock_.now_ns() + deadline_ns(),
                         [&] { communicator_->look(); }))
        return;
    } catch (const Echo& echo) {
      give_up();
      throw Echo(in_iteration(iteration, echo.what()));
    } catch (const Error& error) {
      give_up();
      throw Error(in_iteration(iteration, error.what()));
    }
    const std::string warning = communicator_->warning();  // before the abort, which has its own
    give_up();
    // Whoever waits is not the cause; where nobody has better words, these are shown.
    throw Waited(fmt::format("{}: iteration {} of {} did not end within {}; NCCL was aborted{}", words(),
                             iteration, kind_.name, format_duration(std::chrono::nanoseconds(deadline_ns())),
                             warning));
  }

  /// For work of this program's own, which waits for no other rank.
  void finish(const char* what) {
    gpu_->record(held_->after.get(), stream());
    if (cuda::wait_for(*gpu_, held_->after.get(), clock_, clock_.now_ns() + deadline_ns())) return;
    is_abandoned_ = true;
    gpu_->abandon();
    throw Error(fmt::format("{}: {} of {} took longer than {}", words(), what, kind_.name,
                            format_duration(std::chrono::nanoseconds(deadline_ns()))));
  }

  /// The communicator is of no more use; what it has on the GPU is waited for a moment.
  void give_up() {
    registered_.forget();
    held_->graph = cuda::GraphHandle();  // NCCL's abort waits for graphs that hold its work
    if (!communicator_->abort(clock_)) {
      is_abandoned_ = true;  // the call may still put work on the GPU
      return;
    }
    try {
      gpu_->record(held_->after.get(), stream());
      is_abandoned_ = !cuda::wait_for(*gpu_, held_->after.get(), clock_, clock_.now_ns() + leave_ns);
      if (is_abandoned_) gpu_->abandon();
    } catch (const Error&) {
      is_abandoned_ = true;  // the context has failed, and with it all that it holds
    }
  }

  const Row& row_;
  const Kind& kind_;
  std::shared_ptr<const Settings> settings_;
  TimedRequest request_;
  const Clock& clock_;
  cuda::Device* gpu_{};
  std::shared_ptr<const Calls> calls_;
  std::shared_ptr<GroupCommunicator> communicator_;
  Shape shape_;
  std::unique_ptr<Held> held_;
  RegisteredBuffers registered_;
  std::string made_smaller_;
  std::map<std::string, Parameter> differences_;  ///< between ranks; at the root of the group
  bool is_without_network_{};                     ///< of all ranks; at the root of the group
  bool is_connected_{};  ///< its first call has come back: later ones wait for nobody, but with registered
                         ///< buffers and NVLS
  std::uint64_t iteration_{};
  std::uint64_t calls_logged_from_{};  ///< byte of the captured log
  double launch_us_{};                 ///< the CPU's time for all launches
  std::uint64_t launches_{};
  std::uint64_t series_{}, series_waited_{};  ///< of launches; those whose end found the GPU nearly done
  double last_us_{};                          ///< an iteration
  double comparing_us_{};                     ///< in the last batch
  bool is_abandoned_{};
};

}  // namespace

const char* unavailable_reason() { return ""; }

std::unique_ptr<TimedOperation> make_operation(const Row& row,
                                               const std::shared_ptr<const Settings>& settings,
                                               const TimedRequest& request) {
  return std::make_unique<NcclOperation>(row, settings, request);
}

}  // namespace fabricheck::collectives::nccl
