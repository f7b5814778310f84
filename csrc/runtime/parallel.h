// Who computes, and the floating-point state that kernels run in.
#pragma once

#include <cstdint>
#include <memory>

namespace unrolled {

// Denormal numbers are read and written as zero while one of these is alive: a state that decays
// towards zero would otherwise slow every operation by an order of magnitude.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned long long before_;
};

// A framework's threads, for the kernels that it calls: more would only take the cores from its own.
struct Lender {
  // Has work(data) called by one of its threads, later.
  void (*lend)(void* threads, void (*work)(void*), void* data);
  void* threads;
  int count;
};

// While one of these is alive, the kernels that this thread calls compute on the lender's threads.
class Borrowing {
 public:
  explicit Borrowing(const Lender& lender);
  ~Borrowing();
  Borrowing(const Borrowing&) = delete;
  Borrowing& operator=(const Borrowing&) = delete;

 private:
  const Lender* before_;
};

class Crew;

// The caller and its helpers, for as long as one kernel runs. Helpers come from a lender, from the OpenMP
// of share_threads(), or from our own pool.
class Team {
 public:
  explicit Team(int wanted);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const;

  // Calls task(0) ... task(count - 1), each once, on any of the team's threads in any order, and
  // returns when all have ended. What one of them throws is thrown here, then.
  template <class Task>
  void run(int count, const Task& task) {
    run(count, [](const void* erased, int index) { (*static_cast<const Task*>(erased))(index); }, &task);
  }

 private:
  void run(int count, void (*call)(const void*, int), const void* task);
  void invite();

  FlushDenormals flush_;
  int size_;                    // 1 where no thread could be had
  std::shared_ptr<Crew> crew_;  // of more than one
};

// Each stage has the same number of shares. Whoever is there takes what nobody has taken yet, its own share
// first, because that one's memory is in its cache. So a thread that comes late, or never, is not waited
// for; only one that is in the middle of a share is. The first that waits for long, because the system has
// put such a thread aside, does the rest alone.
class Stages {
 public:
  Stages(int64_t stages, int shares);
  ~Stages();
  Stages(const Stages&) = delete;
  Stages& operator=(const Stages&) = delete;

  // Whether threads are likely to help. After stages where they came too late, or kept others waiting, because other
  // processes use the cores, it is not so for a while, the longer the more often that was the case in a row.
  static bool are_worthwhile();

  // Calls task(stage, share) once for each stage and share, on any of the team's threads, and returns when all have
  // ended. The task may not throw.
  template <class Task>
  void run(Team& team, const Task& task) {
    const auto call = [](const void* erased, int64_t stage, int share) {
      (*static_cast<const Task*>(erased))(stage, share);
    };
    team.run(shares_, [&](int own) { work(own, call, &task); });
    work(0, call, &task);  // what is left where others have left
  }

 private:
  struct Progress;

  // Takes shares until all stages have ended, or it is better to leave them to others.
  void work(int own, void (*call)(const void*, int64_t, int), const void* task);

  const int64_t stages_;
  const int shares_;
  const std::unique_ptr<Progress> progress_;
};

}  // namespace unrolled
