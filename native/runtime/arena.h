// Memory that kernels work in: cut from an arena and given back all at once, so that the same memory, which is in the caches, serves the next kernel.
#pragma once
#include <stddef.h>

enum class Arena {
  kThread,  // the calling thread's own
  kShared,  // one for all tasks of a kernel call
};

/** Where an arena stands. */
struct ArenaMark {
  int chunk;
  size_t used;
};

/**
 * What is taken from an arena while this lives; its end gives all of it back. They nest like calls: a task may take memory above what its caller holds.
 * Shared memory is taken before a parallelFor, by the thread that calls it; in a team by all threads alike, who then have the same memory.
 */
class Scratch {
 public:
  explicit Scratch(Arena arena = Arena::kThread);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  /** Room for `count` values, 64-byte aligned and not zeroed. Vectors may read up to 64 bytes beyond it. */
  template <class T>
  T* take(ptrdiff_t count) {
    return (T*)takeBytes((size_t)count * sizeof(T));
  }

 private:
  void* takeBytes(size_t bytes);

  Arena arena;
  ArenaMark mark;
};
