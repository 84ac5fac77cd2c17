// The instruction sets that kernels were compiled for, and which of them this machine can run.
#pragma once
#include "args.h"

struct InstructionSet {
  const char* name;
  const Family* (*families)();
  bool available;
  bool forTests;  // not to be chosen, only asked for by name
};

constexpr int kMostSets = 5;
extern InstructionSet sets[kMostSets];
extern int setCount;

/** Fills `sets`, the best last; a second call does nothing. */
void findSets();
