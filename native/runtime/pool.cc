#include "runtime/pool.h"

#include <stdint.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

constexpr int kMaxThreads = 256;
constexpr int kSpins = 4000;       // 50 µs and more: longer than the gap between two kernels of a step
// In ticks, some 2 to 4 to a nanosecond on x86, 1 or fewer elsewhere:
constexpr uint64_t kLong = 20000;  // work that is over before is not worth a look at what others have left
constexpr uint64_t kLate = 4000;   // a thread that has not begun by now does not have a processor

// A team whose members do not all have a processor is much slower than a caller who gives out tasks. So after a wait of this length there is no
// team for four times as long, and if it soon happens again, for twice as long as the last time.
constexpr uint64_t kDisturbed = 500000, kLongestPause = 250000000;

/** What one thread writes and others read stands in lines of its own: fetching a line that another core wrote takes 50 to 300 ns. */
constexpr size_t kLine = 128;

// Jobs and the meetings of teams are numbered in one row, in rounds.

/**
 * The job at hand, in one line: workers see its round change and have the rest with it. One that comes too late may read a mixture of two jobs, and
 * sees by the round that it did.
 */
struct alignas(kLine) Job {
  std::atomic<uint64_t> round{0};
  std::atomic<ptrdiff_t> tasks{0};
  std::atomic<int> threads{1};
  std::atomic<bool> team{false};  // each thread has the task of its own number, all at the same time
  std::atomic<TaskFunction> run{nullptr};
  std::atomic<void*> context{nullptr};
};

/**
 * The part of a round's tasks that one thread begins with: the round in 32 bits, whether its owner has begun, and the next of the tasks in 31. Of an
 * earlier round: not begun; of a later one: over.
 */
struct alignas(kLine) Share {
  std::atomic<uint64_t> word{0};
};
constexpr uint64_t kBegun = (uint64_t)1 << 31, kTask = kBegun - 1;

/** The last job that a worker is done with, and whether it sleeps: round · 2 + asleep. */
struct alignas(kLine) State {
  std::atomic<uint64_t> word{0};
};

/** The last meeting that a member of the team has come to. */
struct alignas(kLine) Arrival {
  std::atomic<uint64_t> round{0};
};

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/** Reads a clock that costs a few nanoseconds. */
inline uint64_t ticks() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return (uint64_t)std::chrono::steady_clock::now().time_since_epoch().count();
#endif
}

/** The tasks of one round, as its threads see them. */
struct Round {
  uint64_t number;
  ptrdiff_t tasks;
  int threads;
  TaskFunction run;
  void* context;

  /** The caller, who is there first, has a task whatever their number. */
  uint64_t first(int owner) const { return (uint64_t)((tasks * owner + threads - 1) / threads); }
  uint64_t end(int owner) const { return first(owner + 1); }
};

/** Says that a thread is at work on tasks, for assertions. */
struct TaskScope {
#if defined(SHOAL_DEBUG)
  TaskScope() { depth++; }
  ~TaskScope() { depth--; }
  static thread_local int depth;
#else
  TaskScope() {}
#endif
};
#if defined(SHOAL_DEBUG)
thread_local int TaskScope::depth = 0;
#endif

// Leaked on purpose: workers may still wait on it while the process exits.
struct Pool {
  Job job;
  Share shares[kMaxThreads];
  State states[kMaxThreads];
  Arrival arrivals[kMaxThreads];
  std::mutex mutex;
  std::condition_variable wake;
  int workers = 0;  // they are 1 … workers; the caller is 0
  int wanted = 1;
  uint64_t lastRound = 0;
  bool waking = false;  // whether some were asleep when the job at hand began
  uint64_t longestWait = 0, pausedFor = 0, pauseEnds = 0;  // of the team at hand; after the last disturbance

  /** The next task of a share, or −1. */
  ptrdiff_t take(int self, int owner, const Round& r) {
    std::atomic<uint64_t>& share = shares[owner].word;
    uint64_t now = share.load(std::memory_order_relaxed);
    for (;;) {
      const int32_t age = (int32_t)((uint32_t)r.number - (uint32_t)(now >> 32));
      const uint64_t task = age == 0 ? now & kTask : r.first(owner);
      if (age < 0 || task >= r.end(owner)) return -1;
      const uint64_t begun = self == owner ? kBegun : age == 0 ? now & kBegun : 0;
      if (share.compare_exchange_weak(now, r.number << 32 | begun | (task + 1), std::memory_order_relaxed)) return (ptrdiff_t)task;
    }
  }

  /** Whether any task was left of a share that is now finished. */
  bool finish(int self, int owner, const Round& r) {
    const TaskScope scope;
    bool any = false;
    for (ptrdiff_t task = take(self, owner, r); task >= 0; task = take(self, owner, r)) r.run(r.context, task), any = true;
    return any;
  }

  /** Takes over what others have not begun. Memory that one core has been reading comes slowly to another, so never in a hurry. */
  void help(int self, const Round& r) {
    for (int i = 1; i < r.threads; i++) finish(self, (self + i) % r.threads, r);
  }

  /** A thread's own share, and where that took long, what others have left of theirs. */
  void work(int self, const Round& r) {
    const uint64_t began = ticks();
    // A thread without tasks of its own is not waited for, and must not take others'.
    if (finish(self, self, r) && ticks() - began > kLong) help(self, r);
  }

  bool saysDone(int worker, const Round& r) { return states[worker].word.load(std::memory_order_acquire) >> 1 == r.number; }

  /** Whether a worker is done with a round of which no task is left: it says so, or it has not begun and now cannot. */
  bool isDone(int worker, const Round& r) {
    if (worker >= r.threads || saysDone(worker, r)) return true;
    const uint64_t share = shares[worker].word.load(std::memory_order_relaxed);
    return r.first(worker) == r.end(worker) || (share >> 32 == (uint32_t)r.number && !(share & kBegun) && (share & kTask) == r.end(worker));
  }

  /** Whether all workers that have tasks have begun, or are done. Where they have not, looking costs them a little. */
  bool allHere(const Round& r) {
    for (int i = 1; i < r.threads; i++) {
      const uint64_t share = shares[i].word.load(std::memory_order_relaxed);
      if (!(share >> 32 == (uint32_t)r.number && share & kBegun) && r.first(i) < r.end(i)) return false;
    }
    return true;
  }

  bool allDone(const Round& r) {
    for (int i = 1; i <= workers; i++)
      if (!isDone(i, r)) return false;
    return true;
  }

  /** Whether any worker was asleep. */
  bool callSleepers() {
    for (int i = 1; i <= workers; i++) {
      if (!(states[i].word.load(std::memory_order_relaxed) & 1)) continue;
      { std::lock_guard<std::mutex> lock(mutex); }
      wake.notify_all();
      return true;
    }
    return false;
  }

  /** Waits for other threads. Some may have fallen asleep without having seen that there is a job, or need the processor that this one is on. */
  template <class Condition>
  void await(const Condition& condition) {
    for (int spins = 1; !condition(); spins++) {
      if (spins % kSpins == 0) callSleepers();
      if (spins < kSpins) pause();
      else std::this_thread::yield();
    }
  }

  void start(TaskFunction run, void* context, ptrdiff_t tasks, bool team);
};

Pool* pool() {
  static Pool* instance = new Pool;
  return instance;
}

// Whether this thread calls no others.
thread_local bool alone = false;

// A thread's place in the team at hand, −1 without one, and the last of its rounds.
thread_local int place = -1;
thread_local int teamSize = 1;
thread_local uint64_t teamRound = 0;

void workerLoop(int self, uint64_t seen) {
  Pool& p = *pool();
  std::atomic<uint64_t>& state = p.states[self].word;
  const auto called = [&] { return p.job.round.load(std::memory_order_acquire) > seen; };
  for (;;) {
    for (int spins = 0; !called() && spins < kSpins; spins++) pause();
    if (!called()) {
      state.store(seen << 1 | 1, std::memory_order_release);
      std::unique_lock<std::mutex> lock(p.mutex);
      p.wake.wait(lock, called);
    }
    const uint64_t number = p.job.round.load(std::memory_order_acquire);
    const Round round{number, p.job.tasks.load(std::memory_order_relaxed), p.job.threads.load(std::memory_order_relaxed),
                      p.job.run.load(std::memory_order_relaxed), p.job.context.load(std::memory_order_relaxed)};
    const bool team = p.job.team.load(std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (number <= seen || p.job.round.load(std::memory_order_relaxed) != number) continue;
    seen = number;
    if (self < round.threads && team) round.run(round.context, self);
    else if (self < round.threads) p.work(self, round);
    state.store(seen << 1, std::memory_order_release);
  }
}

void Pool::start(TaskFunction run, void* context, ptrdiff_t tasks, bool team) {
  const uint64_t began = ticks();
  while (workers < wanted - 1) {
    states[++workers].word.store(1, std::memory_order_relaxed);  // as if asleep
    std::thread(workerLoop, workers, lastRound).detach();
  }
  const Round r{++lastRound, tasks, wanted, run, context};
  job.round.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  job.tasks.store(tasks, std::memory_order_relaxed);
  job.threads.store(wanted, std::memory_order_relaxed);
  job.team.store(team, std::memory_order_relaxed);
  job.run.store(run, std::memory_order_relaxed);
  job.context.store(context, std::memory_order_relaxed);
  // The caller's first task is taken before others can see it: an exclusive access would wait for what was just written.
  shares[0].word.store(r.number << 32 | kBegun | (r.first(0) + 1), std::memory_order_relaxed);
  job.round.store(r.number, std::memory_order_release);
  waking = callSleepers();
  if (team) {
    run(context, 0);
  } else {
    const TaskScope scope;
    run(context, 0);
  }
  callSleepers();  // whoever fell asleep without having seen the job
  if (team) {
    for (int i = 1; i < wanted; i++) await([&] { return saysDone(i, r); });
    return;
  }
  finish(0, 0, r);
  while (ticks() - began < kLate && !allDone(r)) pause();
  if (allHere(r))
    while (ticks() - began < kLong && !allDone(r)) pause();
  help(0, r);
  await([&] { return allDone(r); });
}

/** Waits until all of the team have come to the round that this thread has come to. */
void meetAt(uint64_t round) {
  Pool& p = *pool();
  p.arrivals[place].round.store(round, std::memory_order_release);
  for (int i = 0; i < teamSize; i++) {
    const auto here = [&] { return p.arrivals[i].round.load(std::memory_order_acquire) >= round; };
    if (here()) continue;
    const uint64_t began = ticks();
    p.await(here);
    if (place != 0) continue;
    const bool first = round == p.job.round.load(std::memory_order_relaxed) + 1;
    // Waking takes its time.
    const uint64_t waited = (ticks() - began) / (first && p.waking ? 4 : 1);
    if (waited > p.longestWait) p.longestWait = waited;
  }
}

}  // namespace

void setThreads(int count) {
  if (count < 1) count = 1;
  if (count > kMaxThreads) count = kMaxThreads;
  Pool& p = *pool();
  p.wanted = count;
  // Shares that are nobody's for long must not come to look like those of a later round. As of the last one nothing is left of them.
  for (Share& share : p.shares) share.word.store(p.lastRound << 32 | kTask, std::memory_order_relaxed);
}

int threads() { return alone ? 1 : pool()->wanted; }

void workAlone(bool on) { alone = on; }

int member() { return place < 0 ? 0 : place; }

int teamThreads() { return teamSize; }

void meet() {
  if (teamSize > 1) meetAt(++teamRound);
}

void parallelRun(ptrdiff_t tasks, TaskFunction run, void* context) {
  if (teamSize > 1) {
    const Round round{++teamRound, tasks, teamSize, run, context};
    pool()->work(place, round);
    meetAt(round.number);
  } else if (tasks == 1 || threads() == 1) {
    const TaskScope scope;
    for (ptrdiff_t task = 0; task < tasks; task++) run(context, task);
  } else {
    pool()->start(run, context, tasks, false);
  }
}

void teamRun(TaskFunction run, void* context) {
  struct Team {
    TaskFunction run;
    void* context;
    int size;
    uint64_t round;
  };
  Pool& p = *pool();
  if (threads() == 1 || ticks() < p.pauseEnds) return run(context, 0);
  Team team{run, context, p.wanted, p.lastRound + 1};
  const auto join = [](void* data, ptrdiff_t task) {
    const Team& team = *(const Team*)data;
    place = (int)task, teamSize = team.size, teamRound = team.round;
    team.run(team.context, task);
    if (place == 0) pool()->lastRound = teamRound;
    place = -1, teamSize = 1;
  };
  p.longestWait = 0;
  p.start(join, &team, team.size, true);
  if (p.longestWait < kDisturbed) return;
  const uint64_t now = ticks();
  const bool again = now < p.pauseEnds + p.pausedFor;
  p.pausedFor = again && p.pausedFor * 2 > p.longestWait * 4 ? p.pausedFor * 2 : p.longestWait * 4;
  if (p.pausedFor > kLongestPause) p.pausedFor = kLongestPause;
  p.pauseEnds = now + p.pausedFor;
}

#if defined(SHOAL_DEBUG)
bool insideTask() { return TaskScope::depth > 0; }
#endif
