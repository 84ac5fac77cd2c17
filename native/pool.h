// One pool of threads for the process, used by one kernel at a time (the addon sees to that). A kernel splits its work into tasks;
// which thread runs a task never changes a result.
#pragma once
#include <stddef.h>

/** Total threads that take part in a parallelFor, the caller included (1 … 256). Takes effect at the next call. */
void setThreads(int count);
int threads();

typedef void (*TaskFunction)(void* context, ptrdiff_t task);
void parallelRun(ptrdiff_t tasks, TaskFunction run, void* context);

/** Runs body(task) for task = 0 … tasks−1 on all threads, and returns when all are done. Not to be nested. */
template <class Body>
static inline void parallelFor(ptrdiff_t tasks, const Body& body) {
  if (tasks <= 0) return;
  if (tasks == 1) return body(0);
  parallelRun(tasks, [](void* context, ptrdiff_t task) { (*(const Body*)context)(task); }, (void*)&body);
}

/** As parallelFor over ranges of [0, n), each `grain` long (the last shorter): body(from, to). */
template <class Body>
static inline void parallelRange(ptrdiff_t n, ptrdiff_t grain, const Body& body) {
  if (grain < 1) grain = 1;
  parallelFor((n + grain - 1) / grain, [&](ptrdiff_t task) {
    const ptrdiff_t from = task * grain;
    body(from, from + grain < n ? from + grain : n);
  });
}

/** How many of `units` pieces of work, which read `bytes` each, a task should take: long runs of memory, but a few tasks for each thread. */
static inline ptrdiff_t grainOf(ptrdiff_t units, ptrdiff_t bytes) {
  const ptrdiff_t share = units / (threads() * 4), most = 1 + 131072 / (bytes + 1), least = 1 + 8192 / (bytes + 1);
  return share > most ? most : share < least ? least : share;
}

/** Scratch memory of the calling thread that is kept from call to call: at least `bytes`, 64-byte aligned. `slot` 0 … 7 tells buffers apart. */
void* scratch(int slot, size_t bytes);
/** Scratch memory shared by the tasks of one kernel call. Take it before parallelFor. */
void* sharedScratch(int slot, size_t bytes);
