#include "runtime/parallel.h"

#include <dlfcn.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <new>
#include <thread>
#include <utility>

#include "kernels.h"
#include "runtime/thread_pool.h"

namespace unrolled {
namespace {

// OpenMP's function that runs a function on its threads, to which GCC compiles `#pragma omp parallel`. It is called
// with the number of threads that OpenMP is set to; with another number it would end or start threads at each call.
using OpenMpParallel = void (*)(void (*function)(void*), void* data, unsigned threads, unsigned flags);
constexpr unsigned kDefaultThreads = 0;

std::atomic<OpenMpParallel> openmp_parallel{nullptr};
std::atomic<int (*)()> openmp_threads{nullptr};
std::atomic<int> configured_threads{0};
thread_local const ExternalThreadPool* external_pool = nullptr;

constexpr int kNobody = -1;
constexpr int kMaxPause = 255;

// In calls of StagedTasks::are_worthwhile().
std::atomic<int> pause{0}, remaining_pause{0};

// In a cache line of its own.
struct alignas(64) Share {
  std::atomic<int64_t> taken{0};  // stages, in order
};

}  // namespace

#if defined(__x86_64__)
FlushDenormals::FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(static_cast<unsigned>(before_) | 0x8040u); }
FlushDenormals::~FlushDenormals() { _mm_setcsr(static_cast<unsigned>(before_)); }
#elif defined(__aarch64__)
FlushDenormals::FlushDenormals() {
  asm volatile("mrs %0, fpcr" : "=r"(before_));
  asm volatile("msr fpcr, %0" ::"r"(before_ | (1ull << 24)));
}
FlushDenormals::~FlushDenormals() { asm volatile("msr fpcr, %0" ::"r"(before_)); }
#else
FlushDenormals::FlushDenormals() : before_(0) {}
FlushDenormals::~FlushDenormals() { static_cast<void>(before_); }
#endif

ExternalThreadPoolScope::ExternalThreadPoolScope(const ExternalThreadPool& pool) : previous_(external_pool) {
  external_pool = &pool;
}
ExternalThreadPoolScope::~ExternalThreadPoolScope() { external_pool = previous_; }

// Rounds of tasks, one for each call of run(). The owner does not wait for a worker that has not started: a late one
// joins the current round or finds that the group has ended. So the threads of a pool may all be busy with other
// kernels when workers are requested.
class TaskGroup::Rounds {
 public:
  // The owner calls it: calls task(0) ... task(count - 1), each once.
  void run(int count, void (*call)(const void*, int), const void* task) {
    open(count, call, task);
    changed_.notify_all();
    take_tasks();
    close();
  }

  // The same; `parallel` has several threads call take_tasks() and waits for them.
  template <class Parallel>
  void run(int count, void (*call)(const void*, int), const void* task, const Parallel& parallel) {
    open(count, call, task);
    parallel();
    close();
  }

  void take_tasks() {
    for (int index = next_.fetch_add(1); index < count_; index = next_.fetch_add(1)) {
      try {
        call_(task_, index);
      } catch (...) {
        if (!has_failed_.exchange(true)) failure_ = std::current_exception();
      }
    }
  }

  // A worker calls it: takes tasks in all rounds until the group ends.
  void run_worker() {
    if (std::this_thread::get_id() == owner_) return;
    for (;;) {
      // Counted before the round is read, so that either this worker finds the round closed or close() waits for it.
      ++active_workers_;
      const int seen = round_.load();
      if (is_open(seen)) take_tasks();
      if (--active_workers_ == 0) changed_.notify_all();
      if (seen == kEnded) return;
      changed_.wait([&] { return round_.load() != seen; });
    }
  }

  void end() {
    round_ = kEnded;
    changed_.notify_all();
  }

 private:
  static constexpr int kEnded = -1;
  static bool is_open(int round) { return round > 0 && round % 2 == 1; }

  void open(int count, void (*call)(const void*, int), const void* task) {
    next_ = 0;
    count_ = count;
    call_ = call;
    task_ = task;
    ++round_;
  }

  void close() {
    ++round_;
    changed_.wait([&] { return active_workers_.load() == 0; });
    if (has_failed_.exchange(false)) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  const std::thread::id owner_ = std::this_thread::get_id();
  SpinCondition changed_;
  std::atomic<int> round_{0};  // odd while it is open
  std::atomic<int> active_workers_{0}, next_{0};
  int count_ = 0;
  void (*call_)(const void*, int) = nullptr;
  const void* task_ = nullptr;
  std::atomic<bool> has_failed_{false};
  std::exception_ptr failure_;  // of the first task that threw
};

TaskGroup::TaskGroup(int max_threads) : size_(std::max(1, std::min(max_threads, threads()))) {
  const bool uses_openmp = external_pool == nullptr && openmp_parallel.load() != nullptr;
  if (external_pool != nullptr || uses_openmp)
    size_ = std::max(1, std::min(size_, uses_openmp ? openmp_threads.load()() : external_pool->threads));
  if (size_ == 1) return;
  rounds_ = std::make_shared<Rounds>();
  if (!uses_openmp) request_workers();
}

void TaskGroup::request_workers() {
  try {
    for (int i = 1; i < size_; ++i) {
      auto rounds = std::make_unique<std::shared_ptr<Rounds>>(rounds_);
      if (external_pool != nullptr) {
        external_pool->submit(external_pool->pool, run_worker, rounds.get());
      } else if (!ThreadPool::instance().submit(size_ - 1, run_worker, rounds.get())) {
        size_ = 1;
        return;
      }
      rounds.release();  // run_worker() deletes it
    }
  } catch (const std::bad_alloc&) {
    // The group works with fewer workers, or with none.
  }
}

void TaskGroup::run_worker(void* data) {
  const std::unique_ptr<std::shared_ptr<Rounds>> rounds(static_cast<std::shared_ptr<Rounds>*>(data));
  const FlushDenormals flush;
  (*rounds)->run_worker();
}

TaskGroup::~TaskGroup() {
  if (rounds_) rounds_->end();
}

int TaskGroup::size() const { return size_; }

void TaskGroup::run(int count, void (*call)(const void*, int), const void* task) {
  const OpenMpParallel parallel = external_pool == nullptr ? openmp_parallel.load() : nullptr;
  if (size_ == 1 || count <= 1) {
    for (int index = 0; index < count; ++index) call(task, index);
  } else if (parallel == nullptr) {
    rounds_->run(count, call, task);
  } else {
    const auto take_tasks = [](void* rounds) {
      const FlushDenormals flush;
      static_cast<Rounds*>(rounds)->take_tasks();
    };
    rounds_->run(count, call, task, [&] { parallel(take_tasks, rounds_.get(), kDefaultThreads, 0); });
  }
}

struct StagedTasks::Progress {
  explicit Progress(int count) : shares(new Share[static_cast<size_t>(count)]) {}

  const std::thread::id owner = std::this_thread::get_id();
  const int core_of_owner = current_core();
  const std::unique_ptr<Share[]> shares;
  alignas(64) std::atomic<int64_t> ended{0};        // shares of all stages
  alignas(64) std::atomic<int> only_left{kNobody};  // the own share of the thread that computes the rest alone
  std::atomic<int64_t> taken_by_workers{0};         // shares
  SpinCondition changed;
};

StagedTasks::StagedTasks(int64_t stages, int shares)
    : stages_(stages), shares_(shares), progress_(new Progress(shares)) {}

StagedTasks::~StagedTasks() {
  // With two threads, a worker should take half of the shares; a quarter is still worthwhile.
  const bool was_worthwhile =
      progress_->only_left.load() == kNobody && 4 * progress_->taken_by_workers.load() >= stages_ * shares_;
  pause = was_worthwhile ? 0 : std::min(2 * pause.load() + 1, kMaxPause);
  remaining_pause = pause.load();
}

bool StagedTasks::are_worthwhile() {
  if (remaining_pause.load() <= 0) return true;
  --remaining_pause;
  return false;
}

void StagedTasks::take_shares(int own_share, void (*call)(const void*, int64_t, int), const void* task) {
  Progress& progress = *progress_;
  const bool is_worker = std::this_thread::get_id() != progress.owner;
  // The other cores are busy: the owner could compute in the same time whatever this worker computes here.
  if (is_worker && progress.core_of_owner >= 0 && current_core() == progress.core_of_owner) return;
  for (int64_t stage = progress.ended.load() / shares_; stage < stages_; stage = progress.ended.load() / shares_) {
    const int only_left = progress.only_left.load();
    if (only_left != kNobody && only_left != own_share) return;
    for (int i = 0; i < shares_; ++i) {
      const int share = (own_share + i) % shares_;
      int64_t not_taken = stage;
      std::atomic<int64_t>& taken = progress.shares[static_cast<size_t>(share)].taken;
      if (taken.load() != not_taken || !taken.compare_exchange_strong(not_taken, stage + 1)) continue;
      call(task, stage, share);
      if (is_worker) ++progress.taken_by_workers;
      if (++progress.ended == (stage + 1) * shares_) progress.changed.notify_all();
    }
    const bool slept = progress.changed.wait([&] { return progress.ended.load() >= (stage + 1) * shares_; });
    int nobody = kNobody;
    if (slept) progress.only_left.compare_exchange_strong(nobody, own_share);
  }
}

bool share_threads(const char* library) {
  void* const loaded = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
  if (loaded == nullptr) return false;
  void* const parallel = dlsym(loaded, "GOMP_parallel");
  void* const count = dlsym(loaded, "omp_get_max_threads");
  if (parallel == nullptr || count == nullptr) return false;
  // OpenMP's threads do not survive fork().
  static const bool is_reset_by_fork = pthread_atfork(nullptr, nullptr, [] { openmp_parallel = nullptr; }) == 0;
  static_cast<void>(is_reset_by_fork);
  openmp_threads = reinterpret_cast<int (*)()>(count);
  openmp_parallel = reinterpret_cast<OpenMpParallel>(parallel);
  return true;
}

void set_threads(int count) { configured_threads = std::max(1, count); }

int threads() {
  const int count = configured_threads.load();
  return count > 0 ? count : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace unrolled
