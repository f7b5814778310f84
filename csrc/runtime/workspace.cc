#include "runtime/workspace.h"

#include <pthread.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <mutex>
#include <new>
#include <vector>

namespace unrolled {
namespace {

constexpr std::align_val_t kLine{64};
constexpr int64_t kKept = 16 << 20;  // floats kept for the next kernel, all blocks together
constexpr size_t kMostBlocks = 256;

struct Block {
  float* data;
  int64_t floats;
};

struct Shelf {
  std::mutex mutex;
  std::vector<Block> blocks;
  int64_t floats = 0;
};

Shelf& shelf() {
  // Never destroyed: it outlives threads that still run while the process ends.
  static Shelf* const kept = [] {
    Shelf* const made = new Shelf;
    made->blocks.reserve(kMostBlocks);
    // A child of fork() must not find it locked by a thread that it does not have.
    pthread_atfork([] { shelf().mutex.lock(); }, [] { shelf().mutex.unlock(); }, [] { shelf().mutex.unlock(); });
    return made;
  }();
  return *kept;
}

}  // namespace

Scratch::Scratch(int64_t floats) : data_(nullptr), floats_(std::max<int64_t>(floats, 16)) {
  {
    Shelf& kept = shelf();
    std::lock_guard<std::mutex> lock(kept.mutex);
    auto best = kept.blocks.end();
    for (auto block = kept.blocks.begin(); block != kept.blocks.end(); ++block) {
      const bool fits = block->floats >= floats_ && block->floats <= 2 * floats_ + 1024;
      if (fits && (best == kept.blocks.end() || block->floats < best->floats)) best = block;
    }
    if (best != kept.blocks.end()) {
      data_ = best->data;
      floats_ = best->floats;
      kept.floats -= floats_;
      kept.blocks.erase(best);
      return;
    }
  }
  data_ = static_cast<float*>(::operator new(static_cast<size_t>(floats_) * sizeof(float), kLine));
}

Scratch::~Scratch() {
  if (floats_ > kKept) {
    ::operator delete(data_, kLine);
    return;
  }
  Shelf& kept = shelf();
  std::lock_guard<std::mutex> lock(kept.mutex);
  while (!kept.blocks.empty() && (kept.floats + floats_ > kKept || kept.blocks.size() == kMostBlocks)) {
    ::operator delete(kept.blocks.front().data, kLine);
    kept.floats -= kept.blocks.front().floats;
    kept.blocks.erase(kept.blocks.begin());
  }
  kept.blocks.push_back({data_, floats_});  // has room: see shelf()
  kept.floats += floats_;
}

float* Scratch::data() const { return data_; }

void use_large_pages(float* data, int64_t floats) {
#if defined(__linux__)
  if (data == nullptr) return;
  constexpr uintptr_t kPage = 2 << 20;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const uintptr_t end = reinterpret_cast<uintptr_t>(data + floats) / kPage * kPage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  static_cast<void>(data), static_cast<void>(floats);
#endif
}

}  // namespace unrolled
