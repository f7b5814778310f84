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
constexpr int64_t kMaxCached = 16 << 20;  // floats of all cached blocks
constexpr size_t kMaxBlocks = 256;

struct Block {
  float* data;
  int64_t floats;
};

struct BlockCache {
  std::mutex mutex;
  std::vector<Block> blocks;
  int64_t floats = 0;
};

BlockCache& block_cache() {
  // Never destroyed, because threads may still run while the process ends.
  static BlockCache* const cache = [] {
    BlockCache* const made = new BlockCache;
    made->blocks.reserve(kMaxBlocks);
    // Else a child of fork() might inherit it locked by a thread that the child does not have.
    pthread_atfork([] { block_cache().mutex.lock(); }, [] { block_cache().mutex.unlock(); },
                   [] { block_cache().mutex.unlock(); });
    return made;
  }();
  return *cache;
}

}  // namespace

Workspace::Workspace(int64_t floats) : data_(nullptr), floats_(std::max<int64_t>(floats, 16)) {
  {
    BlockCache& cache = block_cache();
    std::lock_guard<std::mutex> lock(cache.mutex);
    auto best = cache.blocks.end();
    for (auto block = cache.blocks.begin(); block != cache.blocks.end(); ++block) {
      const bool fits = block->floats >= floats_ && block->floats <= 2 * floats_ + 1024;
      if (fits && (best == cache.blocks.end() || block->floats < best->floats)) best = block;
    }
    if (best != cache.blocks.end()) {
      data_ = best->data;
      floats_ = best->floats;
      cache.floats -= floats_;
      cache.blocks.erase(best);
      return;
    }
  }
  data_ = static_cast<float*>(::operator new(static_cast<size_t>(floats_) * sizeof(float), kLine));
}

Workspace::~Workspace() {
  if (floats_ > kMaxCached) {
    ::operator delete(data_, kLine);
    return;
  }
  BlockCache& cache = block_cache();
  std::lock_guard<std::mutex> lock(cache.mutex);
  while (!cache.blocks.empty() && (cache.floats + floats_ > kMaxCached || cache.blocks.size() == kMaxBlocks)) {
    ::operator delete(cache.blocks.front().data, kLine);
    cache.floats -= cache.blocks.front().floats;
    cache.blocks.erase(cache.blocks.begin());
  }
  cache.blocks.push_back({data_, floats_});  // cannot throw: the capacity is reserved
  cache.floats += floats_;
}

float* Workspace::data() const { return data_; }

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
