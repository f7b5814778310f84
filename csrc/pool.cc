#include "pool.h"

#include <pthread.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "crew.h"

namespace unrolled {
namespace {

struct Job {
  void (*work)(void*);
  void* data;
};

struct Pool {
  std::mutex mutex;  // guards jobs and started
  std::deque<Job> jobs;
  int started = 0;
  std::atomic<int> queued{0};
  Waiting waiting;

  bool lend(int threads, Job job) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      try {
        for (; started < threads; ++started) std::thread(&Pool::serve, this).detach();
      } catch (const std::system_error&) {
        if (started == 0) return false;
      }
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
