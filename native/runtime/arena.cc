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

constexpr size_t kAlign = 64;
/** Vectors that begin inside of what was taken may end beyond it. */
constexpr size_t kSlack = 64;
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

/** Leaked on purpose where a thread ends: the pool's threads never do. */
thread_local Chunks own;
Chunks shared;
/** Where this thread stands in either arena. Of the shared one, all threads of a team stand at the same place. */
thread_local ArenaMark ownAt{0, 0}, sharedAt{0, 0};

}  // namespace

Scratch::Scratch(Arena arena) : arena(arena), mark(arena == Arena::kThread ? ownAt : sharedAt) {
  SHOAL_ASSERT(arena == Arena::kThread || !insideTask());
}

Scratch::~Scratch() {
  ArenaMark& at = arena == Arena::kThread ? ownAt : sharedAt;
  SHOAL_ASSERT(mark.chunk < at.chunk || (mark.chunk == at.chunk && mark.used <= at.used));
#if defined(SHOAL_ASAN)
  // Others of a team may still be at work in what they share.
  const Chunks& chunks = arena == Arena::kThread ? own : shared;
  if (arena == Arena::kThread || teamThreads() == 1)
    for (int i = mark.chunk; i <= at.chunk && i < chunks.count; i++) {
      const size_t from = i == mark.chunk ? mark.used : 0;
      SHOAL_POISON((char*)chunks.blocks[i].data + from, chunks.blocks[i].bytes - from);
    }
#endif
  at = mark;
}

void* Scratch::takeBytes(size_t wanted) {
  const bool isOwn = arena == Arena::kThread;
  Chunks& chunks = isOwn ? own : shared;
  ArenaMark& at = isOwn ? ownAt : sharedAt;
  const size_t bytes = (wanted + kSlack + kAlign - 1) / kAlign * kAlign;
  if (at.chunk == 0 && at.used == 0 && chunks.count > 1 && (isOwn || teamThreads() == 1)) chunks.merge();
  while (at.chunk < chunks.count && at.used + bytes > chunks.blocks[at.chunk].bytes) at.chunk++, at.used = 0;
  if (at.chunk == chunks.count && isOwn) {
    chunks.add(bytes);
  } else if (at.chunk == chunks.count) {
    // All threads of a team have come to the same place: nobody looks at the list while it grows, and all see that it has grown.
    meet();
    if (member() == 0) chunks.add(bytes);
    meet();
  }
  char* data = (char*)chunks.blocks[at.chunk].data + at.used;
  at.used += bytes;
  SHOAL_UNPOISON(data, wanted + kSlack);
  return data;
}
