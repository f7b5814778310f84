// A pool of threads for callers that have none of their own, and the primitives that it waits with.
#pragma once

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace unrolled {

// A condition on atomic variables. Waiting polls for a while before it sleeps, because waking a thread takes tens of
// microseconds.
class SpinCondition {
 public:
  // Returns once is_true() holds; the result is true if the thread had to sleep.
  template <class Predicate>
  bool wait(const Predicate& is_true) {
    if (spin(is_true)) return false;
    std::unique_lock<std::mutex> lock(mutex_);
    ++sleeping_;
    changed_.wait(lock, is_true);
    --sleeping_;
    return true;
  }

  // Must be called after each change that may make a predicate true.
  void notify_all() {
    if (sleeping_.load() == 0) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    changed_.notify_all();
  }

 private:
  // Longer than the pauses within a kernel and between the layers of a network.
  static constexpr auto kSpinTime = std::chrono::microseconds(150);

  static void relax() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  template <class Predicate>
  static bool spin(const Predicate& is_true) {
    const auto end = std::chrono::steady_clock::now() + kSpinTime;
    do {
      for (int i = 0; i < 64; ++i) {
        if (is_true()) return true;
        relax();
      }
    } while (std::chrono::steady_clock::now() < end);
    return false;
  }

  std::atomic<int> sleeping_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
};

// The core that this thread runs on; negative where the system does not provide it.
int current_core();

// Keeps a sleeping thread off one core until it has woken up. A thread that is woken while every core is busy may be
// queued on the core of its waker, and stays there for milliseconds even if another core becomes idle.
class WakeupAffinity {
 public:
  explicit WakeupAffinity(pthread_t thread) : thread_(thread) {}

  // Removes a core from those that the sleeping thread may run on. Does nothing if `threads`, the number of threads to
  // be woken, is at least the number of cores: then some have to share.
  void avoid(int core, size_t threads);

  // Restores the cores. To be called by the thread itself once it is awake.
  void restore();

 private:
  pthread_t thread_;
#if defined(__linux__)
  cpu_set_t allowed_{};
  int avoided_ = -1;
#endif
};

// The threads of this process, which sleep between kernels and never end.
class ThreadPool {
 public:
  // A child of fork() gets a new pool: it has none of its parent's threads, and their locks may be held.
  static ThreadPool& instance();

  // Calls work(data) on a worker, later. First starts workers until there are at least `min_workers` (1 or more).
  // Returns false if there are no workers because the system refuses to start one.
  bool submit(int min_workers, void (*work)(void*), void* data);

 private:
  struct Task {
    void (*work)(void*) = nullptr;
    void* data = nullptr;
  };

  struct Worker {
    WakeupAffinity affinity;
    bool is_busy = false;
  };

  bool start_workers(size_t count);
  void run_worker(size_t index);
  Task take_task(size_t worker);

  std::mutex mutex_;  // guards tasks_ and workers_
  std::deque<Task> tasks_;
  std::vector<Worker> workers_;
  std::atomic<int> queued_{0};
  SpinCondition changed_;
};

}  // namespace unrolled
