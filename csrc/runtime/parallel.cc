#include "runtime/parallel.h"

#include <dlfcn.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <thread>

#include "kernels.h"
#include "runtime/thread_pool.h"

namespace unrolled {
namespace {

// OpenMP's way to run a function on its threads, as GCC compiles `#pragma omp parallel`, and their number,
// which whoever loaded it has chosen: with another one it would end threads, or start some, at each call.
// Its threads do not survive fork().
using Parallel = void (*)(void (*function)(void*), void* data, unsigned threads, unsigned flags);
constexpr unsigned kAsManyAsChosen = 0;

std::atomic<Parallel> openmp{nullptr};
std::atomic<int (*)()> openmp_threads{nullptr};
std::atomic<int> wanted_threads{0};
thread_local const Lender* lender = nullptr;

void help(void* data) {
  const std::unique_ptr<std::shared_ptr<Crew>> crew(static_cast<std::shared_ptr<Crew>*>(data));
  const FlushDenormals flush;
  (*crew)->help();
}

constexpr int kNobody = -1;
constexpr int kLongestPause = 255;

// Of this process, in calls of are_worthwhile().
std::atomic<int> pause{0}, left_of_pause{0};

// In a cache line of its own.
struct alignas(64) Share {
  std::atomic<int64_t> taken{0};  // of its stages, in order
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
FlushDenormals::~FlushDenormals() { (void)before_; }
#endif

Borrowing::Borrowing(const Lender& from) : before_(lender) { lender = &from; }
Borrowing::~Borrowing() { lender = before_; }

Team::Team(int wanted) : size_(std::max(1, std::min(wanted, threads()))) {
  const bool shares = lender == nullptr && openmp.load() != nullptr;
  if (lender != nullptr || shares)
    size_ = std::max(1, std::min(size_, shares ? openmp_threads.load()() : lender->count));
  if (size_ == 1) return;
  crew_ = std::make_shared<Crew>();
  if (!shares) invite();
}

void Team::invite() {
  try {
    for (int i = 1; i < size_; ++i) {
      auto crew = std::make_unique<std::shared_ptr<Crew>>(crew_);
      if (lender != nullptr) {
        lender->lend(lender->threads, help, crew.get());
      } else if (!lend_own_thread(size_ - 1, help, crew.get())) {
        size_ = 1;
        return;
      }
      crew.release();  // help() deletes it
    }
  } catch (const std::bad_alloc&) {
    // Nobody waits for those that do not come.
  }
}

Team::~Team() {
  if (crew_) crew_->end();
}

int Team::size() const { return size_; }

void Team::run(int count, void (*call)(const void*, int), const void* task) {
  const Parallel parallel = lender == nullptr ? openmp.load() : nullptr;
  if (size_ == 1 || count <= 1) {
    for (int index = 0; index < count; ++index) call(task, index);
  } else if (parallel == nullptr) {
    crew_->run(count, call, task);
  } else {
    const auto take = [](void* crew) {
      const FlushDenormals flush;
      static_cast<Crew*>(crew)->take_tasks();
    };
    crew_->run(count, call, task, [&] { parallel(take, crew_.get(), kAsManyAsChosen, 0); });
  }
}

bool share_threads(const char* library) {
  void* const loaded = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
  if (loaded == nullptr) return false;
  void* const parallel = dlsym(loaded, "GOMP_parallel");
  void* const count = dlsym(loaded, "omp_get_max_threads");
  if (parallel == nullptr || count == nullptr) return false;
  static const bool forgets_after_fork = pthread_atfork(nullptr, nullptr, [] { openmp = nullptr; }) == 0;
  static_cast<void>(forgets_after_fork);
  openmp_threads = reinterpret_cast<int (*)()>(count);
  openmp = reinterpret_cast<Parallel>(parallel);
  return true;
}

void set_threads(int count) { wanted_threads = std::max(1, count); }

int threads() {
  const int wanted = wanted_threads.load();
  return wanted > 0 ? wanted : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

struct Stages::Progress {
  explicit Progress(int count) : shares(new Share[static_cast<size_t>(count)]) {}

  const std::thread::id maker = std::this_thread::get_id();
  const int core_of_maker = current_core();
  const std::unique_ptr<Share[]> shares;
  alignas(64) std::atomic<int64_t> ended{0};     // shares of all stages
  alignas(64) std::atomic<int> keeper{kNobody};  // the own share of who does the rest alone
  std::atomic<int64_t> helped{0};                // shares taken by others than the maker
  Waiting waiting;
};

Stages::Stages(int64_t stages, int shares) : stages_(stages), shares_(shares), progress_(new Progress(shares)) {}

Stages::~Stages() {
  // Of two threads a good helper takes half of the shares.
  const bool is_good = progress_->keeper.load() == kNobody && 4 * progress_->helped.load() >= stages_ * shares_;
  pause = is_good ? 0 : std::min(2 * pause.load() + 1, kLongestPause);
  left_of_pause = pause.load();
}

bool Stages::are_worthwhile() {
  if (left_of_pause.load() <= 0) return true;
  --left_of_pause;
  return false;
}

void Stages::work(int own, void (*call)(const void*, int64_t, int), const void* task) {
  Progress& progress = *progress_;
  const bool helps = std::this_thread::get_id() != progress.maker;
  // The other cores are busy: whatever is done here, the maker could do in the same time.
  if (helps && progress.core_of_maker >= 0 && current_core() == progress.core_of_maker) return;
  for (int64_t stage = progress.ended.load() / shares_; stage < stages_; stage = progress.ended.load() / shares_) {
    const int keeper = progress.keeper.load();
    if (keeper != kNobody && keeper != own) return;
    for (int i = 0; i < shares_; ++i) {
      const int share = (own + i) % shares_;
      int64_t not_taken = stage;
      std::atomic<int64_t>& taken = progress.shares[static_cast<size_t>(share)].taken;
      if (taken.load() != not_taken || !taken.compare_exchange_strong(not_taken, stage + 1)) continue;
      call(task, stage, share);
      if (helps) ++progress.helped;
      if (++progress.ended == (stage + 1) * shares_) progress.waiting.tell();
    }
    const bool slept = progress.waiting.until([&] { return progress.ended.load() >= (stage + 1) * shares_; });
    int nobody = kNobody;
    if (slept) progress.keeper.compare_exchange_strong(nobody, own);
  }
}

}  // namespace unrolled
