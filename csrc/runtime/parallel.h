// Parallel execution of tasks within one kernel, and the floating-point state of its threads.
#pragma once

#include <cstdint>
#include <memory>

namespace unrolled {

// Reads and writes denormal numbers as zero, on this thread, during its lifetime: with them, a state that decays
// towards zero would slow each operation by an order of magnitude.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned long long before_;
};

// The thread pool of a framework that calls a kernel. With a second pool, threads would compete for the cores.
struct ExternalThreadPool {
  // Calls work(data) on a thread of the pool, later.
  void (*submit)(void* pool, void (*work)(void*), void* data);
  void* pool;
  int threads;
};

// The kernels that this thread calls during the lifetime of the object compute on an external pool, which must outlive
// it.
class ExternalThreadPoolScope {
 public:
  explicit ExternalThreadPoolScope(const ExternalThreadPool& pool);
  ~ExternalThreadPoolScope();
  ExternalThreadPoolScope(const ExternalThreadPoolScope&) = delete;
  ExternalThreadPoolScope& operator=(const ExternalThreadPoolScope&) = delete;

 private:
  const ExternalThreadPool* const previous_;
};

// The threads of one kernel: the thread that owns the group and, during its lifetime, workers from an external pool,
// from OpenMP (share_threads()) or from ThreadPool. Denormal numbers are flushed on all of them.
class TaskGroup {
 public:
  // max_threads: at least 1, the owner included.
  explicit TaskGroup(int max_threads);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  int size() const;

  // Calls task(0) ... task(count - 1), each once, on any threads of the group in any order, and returns when all have
  // returned. Rethrows an exception of one of them.
  template <class Task>
  void run(int count, const Task& task) {
    run(count, [](const void* erased, int index) { (*static_cast<const Task*>(erased))(index); }, &task);
  }

 private:
  class Rounds;

  void run(int count, void (*call)(const void*, int), const void* task);
  void request_workers();
  static void run_worker(void* rounds);

  FlushDenormals flush_;
  int size_;                        // 1 if there are no workers
  std::shared_ptr<Rounds> rounds_;  // null if the size is 1
};

// Tasks in stages, where a stage needs the results of the whole stage before it. Each stage has the same number of
// shares. A thread takes shares that no thread has taken, its own share first, whose memory is in its cache. So nothing
// waits for a thread that comes late or never, only for one that is computing a share. The first thread that has to
// sleep, because the system has suspended such a thread, computes the remaining stages alone.
class StagedTasks {
 public:
  StagedTasks(int64_t stages, int shares);
  ~StagedTasks();
  StagedTasks(const StagedTasks&) = delete;
  StagedTasks& operator=(const StagedTasks&) = delete;

  // True if more threads are likely to make stages faster. If they came too late or kept others waiting, because other
  // processes use the cores, the result is false for a number of calls, which grows with each such failure in a row.
  static bool are_worthwhile();

  // Calls task(stage, share) once for each stage and share, on any threads of the group, and returns when all have
  // returned. The task must not throw.
  template <class Task>
  void run(TaskGroup& threads, const Task& task) {
    const auto call = [](const void* erased, int64_t stage, int share) {
      (*static_cast<const Task*>(erased))(stage, share);
    };
    threads.run(shares_, [&](int own_share) { take_shares(own_share, call, &task); });
    take_shares(0, call, &task);  // those that remain if threads have left early
  }

 private:
  struct Progress;

  // Takes shares until all stages have ended, or until the other threads are faster without this one.
  void take_shares(int own_share, void (*call)(const void*, int64_t, int), const void* task);

  const int64_t stages_;
  const int shares_;
  const std::unique_ptr<Progress> progress_;
};

}  // namespace unrolled
