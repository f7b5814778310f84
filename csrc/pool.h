// Threads of our own, for callers that have none to lend.
#pragma once

namespace unrolled {

// Has `work(data)` called by one of the pool's threads, of which there are at least so many; false where
// the system refuses every one.
bool lend_own_thread(int threads, void (*work)(void*), void* data);

}  // namespace unrolled
