#include "runtime/arena.h"

#include <stdlib.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/pool.h"

#if defined(__SANITIZE_ADDRESS__)
#define SHOAL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHOAL_ASAN 1
#endif
#endif
#if defined(SHOAL_ASAN)
#include <sanitizer/asan_interface.h>
#define SHOAL_POISON(at, bytes) ASAN_POISON_MEMORY_REGION(at, bytes)
#define SHOAL_UNPOISON(at, bytes) ASAN_UNPOISON_MEMORY_REGION(at, bytes)
#else
#define SHOAL_POISON(at, bytes) ((void)0)
#define SHOAL_UNPOISON(at, bytes) ((void)0)
#endif

namespace {

/** Products walk over memory in long strides, which huge pages make cheap: no chunk is smaller than one. */
constexpr size_t kChunk = (size_t)2 << 20;
constexpr int kMaxChunks = 40;

/** Pieces of memory that are kept from call to call, each at least as large as all before it. */
struct Chunks {
  Block blocks[kMaxChunks] = {};
  int count = 0;
  size_t bytes = 0;

  void add(size_t wanted) {
    if (count == kMaxChunks) abort();
    const size_t least = wanted > bytes ? wanted : bytes;
    const Block block = allocateBlock((least + kChunk - 1) / kChunk * kChunk);
    if (!block.data) abort();
    SHOAL_POISON(block.data, block.bytes);
    blocks[count++] = block;
    bytes += block.bytes;
  }

  /** One chunk of the size of all: what one kernel needed in pieces the next finds in one. Nothing of them may be in use. */
  void merge() {
    const size_t all = bytes;
    for (int i = 0; i < count; i++) {
      SHOAL_UNPOISON(blocks[i].data, blocks[i].bytes);
      freeBlock(blocks[i]);
    }
    count = 0, bytes = 0;
    add(all);
  }
};

/** A thread's own chunks, and where it stands in either arena. Of the shared one, all threads of a team stand at the same place. */
struct ThreadArenas {
  Chunks chunks;
  ArenaState own, shared;
};
/** Leaked where a thread ends: the pool's threads never do. */
thread_local ThreadArenas arenas;
Chunks sharedChunks;

Chunks& chunksOf(Arena arena) { return arena == Arena::kThread ? arenas.chunks : sharedChunks; }

}  // namespace

ArenaState& Scratch::stateOf(Arena arena) {
#if defined(SHOAL_DEBUG)
  SHOAL_ASSERT(arena == Arena::kThread || !insideTask());
#endif
  return arena == Arena::kThread ? arenas.own : arenas.shared;
}

void* Scratch::takeMore(size_t bytes, size_t wanted) {
  const bool isOwn = arena == Arena::kThread;
  Chunks& chunks = chunksOf(arena);
  // Outside of every Scratch a thread stands nowhere: nothing is in use, and another thread may have changed the list.
  if (state.chunk < 0 && chunks.count > 1 && (isOwn || teamThreads() == 1)) chunks.merge();
  while (state.chunk < chunks.count && bytes > (size_t)(state.end - state.at)) {
    if (++state.chunk == chunks.count) break;
    state.at = (char*)chunks.blocks[state.chunk].data;
    state.end = state.at + chunks.blocks[state.chunk].bytes;
  }
  if (state.chunk == chunks.count) {
    // All threads of a team have come to the same place: nobody looks at the list while it grows, and all see that it has grown.
    if (!isOwn) meet();
    if (isOwn || member() == 0) chunks.add(bytes);
    if (!isOwn) meet();
    state.at = (char*)chunks.blocks[state.chunk].data;
    state.end = state.at + chunks.blocks[state.chunk].bytes;
  }
  char* data = state.at;
  state.at += bytes;
  SHOAL_UNPOISON(data, wanted);
  return data;
}

#if defined(SHOAL_DEBUG)
void Scratch::checkEnd() {
  SHOAL_ASSERT(mark.chunk < state.chunk || (mark.chunk == state.chunk && mark.at <= state.at));
#if defined(SHOAL_ASAN)
  // Others of a team may still be at work in what they share.
  const Chunks& chunks = chunksOf(arena);
  if (arena == Arena::kShared && teamThreads() > 1) return;
  for (int i = mark.chunk < 0 ? 0 : mark.chunk; i <= state.chunk; i++) {
    char *start = (char*)chunks.blocks[i].data, *from = i == mark.chunk ? mark.at : start;
    SHOAL_POISON(from, start + chunks.blocks[i].bytes - from);
  }
#endif
}
#endif
