// Threads that work for one kernel: its caller, and whoever helps for a while.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace unrolled {

// The core that this thread runs on; negative where the system does not tell.
inline int current_core() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// Where a helper wakes up. A thread that is woken while every core is busy may be put behind its caller, and is left
// there for milliseconds even if another core has nothing more to do. So the caller's core is taken from those that
// the helper may run on, until it is awake.
class Wakeup {
 public:
  explicit Wakeup(pthread_t thread) : thread_(thread) {}

  // To be called before a thread is woken that sleeps, one of so many. Where there are as many as cores, nothing is
  // changed: some have to share.
  void keep_off(int core, size_t threads) {
#if defined(__linux__)
    if (core < 0 || core >= CPU_SETSIZE || core == avoided_) return;
    if (avoided_ < 0 && pthread_getaffinity_np(thread_, sizeof own_, &own_) != 0) return;
    if (!CPU_ISSET(core, &own_) || static_cast<size_t>(CPU_COUNT(&own_)) <= threads) return;
    cpu_set_t cores = own_;
    CPU_CLR(core, &cores);
    if (pthread_setaffinity_np(thread_, sizeof cores, &cores) == 0) avoided_ = core;
#else
    static_cast<void>(core), static_cast<void>(threads), static_cast<void>(thread_);
#endif
  }

  // To be called by the thread once it is awake.
  void over() {
#if defined(__linux__)
    if (avoided_ < 0) return;
    pthread_setaffinity_np(thread_, sizeof own_, &own_);
    avoided_ = -1;
#endif
  }

 private:
  pthread_t thread_;
#if defined(__linux__)
  cpu_set_t own_{};   // those that it may run on otherwise
  int avoided_ = -1;  // the one that it may not wake up on
#endif
};

// Waits for what other threads change, first without sleeping: a wake-up takes tens of microseconds.
class Waiting {
 public:
  // Whether it had to sleep.
  template <class Predicate>
  bool until(const Predicate& is_so) {
    if (spin(is_so)) return false;
    std::unique_lock<std::mutex> lock(mutex_);
    ++sleeping_;
    changed_.wait(lock, is_so);
    --sleeping_;
    return true;
  }

  // To be called after each change.
  void tell() {
    if (sleeping_.load() == 0) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    changed_.notify_all();
  }

 private:
  // Longer than the pauses inside of a kernel and between the layers of a network.
  static constexpr auto kPatience = std::chrono::microseconds(150);

  static void relax() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  template <class Predicate>
  static bool spin(const Predicate& is_so) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    do {
      for (int i = 0; i < 64; ++i) {
        if (is_so()) return true;
        relax();
      }
    } while (std::chrono::steady_clock::now() < end);
    return false;
  }

  std::atomic<int> sleeping_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
};

// Works in rounds of tasks. Nobody waits for a helper that has not come yet: one that comes late finds
// the round that is open, or none, or that all is over. So a helper may be lent by a pool whose threads
// are all busy, with kernels as well.
class Crew {
 public:
  // The caller: calls task(0) ... task(count - 1), each once, and returns when all have ended. What one of
  // them throws is thrown here, then.
  void run(int count, void (*call)(const void*, int), const void* task) {
    open(count, call, task);
    waiting_.tell();
    take_tasks();
    close();
  }

  // The same, where `parallel` has take_tasks() called by several threads and waits for them.
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

  // A helper: works until all is over.
  void help() {
    if (std::this_thread::get_id() == caller_) return;
    for (;;) {
      // Counted in before it looks, so that either it finds the round closed or close() finds it here.
      ++inside_;
      const int seen = round_.load();
      if (is_open(seen)) take_tasks();
      if (--inside_ == 0) waiting_.tell();
      if (seen == kOver) return;
      waiting_.until([&] { return round_.load() != seen; });
    }
  }

  void end() {
    round_ = kOver;
    waiting_.tell();
  }

 private:
  static constexpr int kOver = -1;
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
    waiting_.until([&] { return inside_.load() == 0; });
    if (has_failed_.exchange(false)) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  const std::thread::id caller_ = std::this_thread::get_id();
  Waiting waiting_;
  std::atomic<int> round_{0};  // odd while it is open
  std::atomic<int> inside_{0}, next_{0};
  int count_ = 0;
  void (*call_)(const void*, int) = nullptr;
  const void* task_ = nullptr;
  std::atomic<bool> has_failed_{false};
  std::exception_ptr failure_;  // of the first task that threw
};

// Has `work(data)` called by one of the pool's threads, of which there are at least so many; false where
// the system refuses every one.
bool lend_own_thread(int threads, void (*work)(void*), void* data);

}  // namespace unrolled
