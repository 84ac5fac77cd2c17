// One pool of threads for the process, used by one kernel at a time (the addon sees to that). A kernel splits its work into tasks;
// which thread runs a task never changes a result. Each thread has a run of the tasks that is the same in every call of the same size, so
// that weights which are read again and again stay in its own caches.
#pragma once
#include <stddef.h>

#include "runtime/assert.h"

/** Total threads that take part in a parallelFor, the caller included (1 … 256). Takes effect at the next call. */
void setThreads(int count);
/** Threads that take part in what the calling thread does. */
int threads();
/** Whether the calling thread works alone from now on: jobs so short that calling others and waiting for them takes longer than they save. */
void workAlone(bool alone);

#if defined(SHOAL_DEBUG)
/** Whether the calling thread is at work on a task of a parallelFor. */
bool insideTask();
#endif

typedef void (*TaskFunction)(void* context, ptrdiff_t task);
void parallelRun(ptrdiff_t tasks, TaskFunction run, void* context);
void teamRun(TaskFunction run, void* context);

/** Runs body(task) for task = 0 … tasks−1 on all threads, and returns when all are done. Not to be nested. */
template <class Body>
static inline void parallelFor(ptrdiff_t tasks, const Body& body) {
#if defined(SHOAL_DEBUG)
  SHOAL_ASSERT(!insideTask());
#endif
  if (tasks <= 0) return;
  parallelRun(tasks, [](void* context, ptrdiff_t task) { (*(const Body*)context)(task); }, (void*)&body);
}

/**
 * Runs body() on all threads, each of them from beginning to end: for work that is many short parallelFors, which calling the others to each
 * would slow down. Within it a parallelFor is shared out and ends for all threads together, and what stands between is done by every one of
 * them: it may write to memory of the thread alone (`Scratch`), or ask for one `member`. Where threads keep each other waiting the caller alone
 * runs body(), and the others come to its parallelFors: a task must not write to its thread's memory that was taken outside of it.
 */
template <class Body>
static inline void asTeam(const Body& body) {
  teamRun([](void* context, ptrdiff_t) { (*(const Body*)context)(); }, (void*)&body);
}
/** Which thread of the team this is, from 0 on; 0 outside of one. */
int member();
/** How many threads the team has; 1 outside of one. */
int teamThreads();
/** Waits until all threads of the team are here, and sees what they have written. */
void meet();

/** parallelFor over ranges of [0, n), each `grain` long (the last shorter): body(from, to). */
template <class Body>
static inline void parallelRange(ptrdiff_t n, ptrdiff_t grain, const Body& body) {
  if (grain < 1) grain = 1;
  parallelFor((n + grain - 1) / grain, [&](ptrdiff_t task) {
    const ptrdiff_t from = task * grain;
    body(from, from + grain < n ? from + grain : n);
  });
}

/** How many of `units` pieces of work, which read `bytes` each, a task should take: long runs of memory, but some tasks for each thread. */
static inline ptrdiff_t grainOf(ptrdiff_t units, ptrdiff_t bytes) {
  const ptrdiff_t share = units / (threads() * 4), most = 1 + 524288 / (bytes + 1), least = 1 + 8192 / (bytes + 1);
  return share > most ? most : share < least ? least : share;
}
