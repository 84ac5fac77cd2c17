// Memory that kernels work in: cut from an arena and given back all at once, so that the same memory, which is in the caches, serves the next kernel.
#pragma once
#include <stddef.h>

enum class Arena {
  kThread,  // the calling thread's own
  kShared,  // one for all tasks of a kernel call
};

/** Where a thread stands in an arena: in one of its chunks (−1: in none), between what is taken and the chunk's end. */
struct ArenaState {
  char *at = nullptr, *end = nullptr;
  int chunk = -1;
};

/**
 * What is taken from an arena while this lives; its end gives all of it back. They nest like calls: a task may take memory above what its caller holds.
 * Shared memory is taken before a parallelFor, by the thread that calls it; in a team by all threads alike, who then have the same memory.
 */
class Scratch {
 public:
  explicit Scratch(Arena arena = Arena::kThread) : arena(arena), state(stateOf(arena)), mark(state) {}
  ~Scratch() {
#if defined(SHOAL_DEBUG)
    checkEnd();
#endif
    state = mark;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  /** Room for `count` values, 64-byte aligned and not zeroed. */
  template <class T>
  T* take(ptrdiff_t count) {
    const size_t wanted = (size_t)count * sizeof(T), bytes = (wanted + kGap + kAlign - 1) / kAlign * kAlign;
#if !defined(SHOAL_DEBUG)
    if (bytes <= (size_t)(state.end - state.at)) {
      state.at += bytes;
      return (T*)(state.at - bytes);
    }
#endif
    return (T*)takeMore(bytes, wanted);
  }

 private:
  static constexpr size_t kAlign = 64;
  /** Between two buffers, so that what belongs to different threads never shares a line, nor its neighbor that is fetched with it. */
  static constexpr size_t kGap = 64;

  /** The calling thread's state. */
  static ArenaState& stateOf(Arena arena);
  /** Goes to a chunk with room for `bytes`, of which the caller will use `wanted`. */
  void* takeMore(size_t bytes, size_t wanted);
  void checkEnd();

  Arena arena;
  ArenaState& state;
  ArenaState mark;
};
