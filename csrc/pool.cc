#include "pool.h"

#include <pthread.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "cores.h"
#include "crew.h"

namespace unrolled {
namespace {

struct Job {
  void (*work)(void*);
  void* data;
};

struct Pool {
  std::mutex mutex;  // guards jobs and helpers
  std::deque<Job> jobs;
  std::vector<Placement> helpers;
  size_t next = 0;  // of them
  std::atomic<int> queued{0};
  Waiting waiting;

  bool lend(int threads, Job job) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      try {
        while (helpers.size() < static_cast<size_t>(threads)) {
          helpers.reserve(static_cast<size_t>(threads));
          std::thread thread(&Pool::serve, this);
          helpers.emplace_back(thread.native_handle());
          thread.detach();
        }
      } catch (const std::system_error&) {
        if (helpers.empty()) return false;
      }
      // Each of them is asked in turn, although whoever is awake first takes the job.
      next = (next + 1) % helpers.size();
      helpers[next].keep_off(current_core());
      jobs.push_back(job);
      ++queued;
    }
    waiting.tell();
    return true;
  }

  void serve() {
    for (;;) {
      waiting.until([&] { return queued.load() > 0; });
      Job job{};
      {
        const std::lock_guard<std::mutex> lock(mutex);
        if (jobs.empty()) continue;
        job = jobs.front();
        jobs.pop_front();
        --queued;
      }
      job.work(job.data);
    }
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
