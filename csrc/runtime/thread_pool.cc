#include "runtime/thread_pool.h"

#include <pthread.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace unrolled {
namespace {

struct Job {
  void (*work)(void*) = nullptr;
  void* data = nullptr;
};

struct Helper {
  Wakeup wakeup;
  bool is_busy = false;
};

struct Pool {
  std::mutex mutex;  // guards jobs and helpers
  std::deque<Job> jobs;
  std::vector<Helper> helpers;
  std::atomic<int> queued{0};
  Waiting waiting;

  // The threads are one at least.
  bool lend(int threads, Job job) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      try {
        helpers.reserve(static_cast<size_t>(threads));
        while (helpers.size() < static_cast<size_t>(threads)) {
          std::thread thread(&Pool::serve, this, helpers.size());
          helpers.push_back({Wakeup(thread.native_handle())});
          thread.detach();  // it never ends
        }
      } catch (const std::system_error&) {
        if (helpers.empty()) return false;
      }
      const int core = current_core();
      for (Helper& helper : helpers)
        if (!helper.is_busy) helper.wakeup.keep_off(core, helpers.size());
      jobs.push_back(job);
      ++queued;
    }
    waiting.tell();
    return true;
  }

  void serve(size_t own) {
    for (;;) {
      waiting.until([&] { return queued.load() > 0; });
      const Job job = take(own);
      if (job.work == nullptr) continue;
      job.work(job.data);
      const std::lock_guard<std::mutex> lock(mutex);
      helpers[own].is_busy = false;
    }
  }

  // Nothing where others were faster.
  Job take(size_t own) {
    const std::lock_guard<std::mutex> lock(mutex);
    helpers[own].wakeup.over();
    if (jobs.empty()) return {};
    helpers[own].is_busy = true;
    const Job job = jobs.front();
    jobs.pop_front();
    --queued;
    return job;
  }
};

std::atomic<Pool*> pool{nullptr};

// The threads of a pool do not survive fork(), and its locks may be held: the child starts afresh,
// and the parent's pool is left where it is.
void forget_pool() { pool = new Pool; }

}  // namespace

bool lend_own_thread(int threads, void (*work)(void*), void* data) {
  static const bool made = [] {
    pool = new Pool;
    pthread_atfork(nullptr, nullptr, forget_pool);
    return true;
  }();
  static_cast<void>(made);
  return pool.load()->lend(threads, {work, data});
}

}  // namespace unrolled
