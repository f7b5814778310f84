#include "threads.h"

#include <dlfcn.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace unrolled {
namespace {

// How long an idle thread looks for work before it sleeps. Longer than the pauses inside of a kernel
// and between the layers of a network, so that the wake-up (tens of microseconds) is rarely paid.
constexpr auto kPatience = std::chrono::microseconds(150);

constexpr uint64_t kHelpers = 0xffff;  // the bits of a ticket that hold the number of helpers

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until `done` without sleeping, at most for kPatience.
template <class Done>
bool spin(const Done& done) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  do {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return done();
}

// One round of work after another. A ticket is the number of the round and, in its low bits, how many
// helpers it has: read together, so that a helper that is late to one round cannot count itself into
// the next one twice. Helpers take tasks until none is left, then check out.
struct Pool {
  std::mutex in_use;  // held by the Team that runs

  std::mutex mutex;  // guards sleeping and starting, not the work
  std::condition_variable wake, finished;
  int started = 0;

  std::atomic<uint64_t> ticket{0};
  std::atomic<int> sleeping{0};
  std::atomic<int> next{0}, working{0};
  int count = 0;
  void (*call)(const void*, int) = nullptr;
  const void* task = nullptr;
  std::atomic<bool> has_failed{false};
  std::exception_ptr failure;  // of the first task that threw

  void take_tasks() {
    for (int index = next.fetch_add(1); index < count; index = next.fetch_add(1)) {
      try {
        call(task, index);
      } catch (...) {
        if (!has_failed.exchange(true)) failure = std::current_exception();
      }
    }
  }

  void serve(int number, uint64_t seen) {
    FlushDenormals flush;
    for (;;) {
      const auto called = [&] { return ticket.load() != seen; };
      if (!spin(called)) {
        std::unique_lock<std::mutex> lock(mutex);
        ++sleeping;
        wake.wait(lock, called);
        --sleeping;
      }
      seen = ticket.load();
      if (number >= static_cast<int>(seen & kHelpers)) continue;
      take_tasks();
      if (working.fetch_sub(1) == 1) {
        std::lock_guard<std::mutex> lock(mutex);
        finished.notify_one();
      }
    }
  }

  // Gives how many helpers there are; the system may refuse some.
  int start(int helpers) {
    std::lock_guard<std::mutex> lock(mutex);
    try {
      for (; started < helpers; ++started) {
        std::thread(&Pool::serve, this, started, ticket.load()).detach();
      }
    } catch (const std::system_error&) {
    }
    return started < helpers ? started : helpers;
  }

  // By the caller and so many helpers.
  void run(int helpers) {
    working = helpers;
    ticket.store(((ticket.load() | kHelpers) + 1) | static_cast<uint64_t>(helpers));
    if (sleeping.load() > 0) {
      std::lock_guard<std::mutex> lock(mutex);
      wake.notify_all();
    }
    take_tasks();
    const auto done = [&] { return working.load() == 0; };
    if (!spin(done)) {
      std::unique_lock<std::mutex> lock(mutex);
      finished.wait(lock, done);
    }
  }

  void rethrow() {
    if (has_failed.exchange(false)) std::rethrow_exception(std::exchange(failure, nullptr));
  }
};

// OpenMP's way to run a function on so many threads, as GCC compiles `#pragma omp parallel`.
using Parallel = void (*)(void (*function)(void*), void* data, unsigned threads, unsigned flags);

std::atomic<Parallel> openmp{nullptr};
std::atomic<Pool*> pool{nullptr};
std::atomic<int> wanted_threads{0};

// The threads of a pool do not survive fork(), nor do OpenMP's, and its locks may be held: the child
// starts afresh, and the parent's pool is left where it is.
void forget_pool() {
  openmp = nullptr;
  pool = new Pool;
}

Pool& the_pool() {
  static const bool made = [] {
    pool = new Pool;
    pthread_atfork(nullptr, nullptr, forget_pool);
    return true;
  }();
  (void)made;
  return *pool.load();
}

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

Team::Team(int wanted) : size_(std::max(1, std::min(wanted, threads()))) {
  if (size_ == 1) return;
  Pool& chosen = the_pool();
  chosen.in_use.lock();
  if (openmp.load() == nullptr) size_ = chosen.start(size_ - 1) + 1;
  if (size_ == 1) chosen.in_use.unlock();
}

Team::~Team() {
  if (size_ > 1) the_pool().in_use.unlock();
}

int Team::size() const { return size_; }

void Team::run(int count, void (*call)(const void*, int), const void* task) {
  if (size_ == 1 || count <= 1) {
    for (int index = 0; index < count; ++index) call(task, index);
    return;
  }
  Pool& chosen = the_pool();
  chosen.next = 0;
  chosen.count = count;
  chosen.call = call;
  chosen.task = task;
  if (const Parallel parallel = openmp.load()) {
    const auto take = [](void* from) {
      const FlushDenormals flush;
      static_cast<Pool*>(from)->take_tasks();
    };
    parallel(take, &chosen, static_cast<unsigned>(size_), 0);
  } else {
    chosen.run(size_ - 1);
  }
  chosen.rethrow();
}

bool share_threads(const char* library) {
  void* const loaded = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
  void* const parallel = loaded != nullptr ? dlsym(loaded, "GOMP_parallel") : nullptr;
  the_pool();  // forgets it after fork()
  if (parallel != nullptr) openmp = reinterpret_cast<Parallel>(parallel);
  return parallel != nullptr;
}

void set_threads(int count) { wanted_threads = std::max(1, count); }

int threads() {
  const int wanted = wanted_threads.load();
  return wanted > 0 ? wanted : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace unrolled
