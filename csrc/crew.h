// Threads that work for one kernel: its caller, and whoever helps for a while.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace unrolled {

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

}  // namespace unrolled
