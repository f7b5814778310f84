#include <algorithm>
#include <atomic>
#include <thread>

#include "runtime/parallel.h"
#include "runtime/thread_pool.h"

namespace unrolled {
namespace {

constexpr int kNobody = -1;
constexpr int kLongestPause = 255;

// Of this process, in calls of are_worthwhile().
std::atomic<int> pause{0}, left_of_pause{0};

// In a cache line of its own.
struct alignas(64) Share {
  std::atomic<int64_t> taken{0};  // of its stages, in order
};

}  // namespace

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
