// The addon: a table of kernels for each instruction set that this machine has, memory, threads.
#include <errno.h>
#include <node_api.h>
#include <stdio.h>
#include <string.h>

#include <mutex>
#include <set>
#include <vector>

#include "contract.h"
#include "addon/instruction-sets.h"
#include "runtime/memory.h"
#include "runtime/pool.h"

namespace {

std::mutex kernelLock;  // the pool and the shared scratch serve one kernel at a time, whichever thread it comes from

constexpr size_t kMaxBuffers = 32;

bool fail(napi_env env, const char* message) {
  napi_throw_type_error(env, nullptr, message);
  return false;
}

bool readText(napi_env env, napi_value value, char* into, size_t size) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok || length >= size) return false;
  napi_get_value_string_utf8(env, value, into, size, &length);
  return strlen(into) == length;
}

bool dtypeOf(napi_typedarray_type type, Dtype* dtype) {
  switch (type) {
    case napi_float32_array: *dtype = Dtype::f32; return true;
    case napi_uint16_array: *dtype = Dtype::bf16; return true;
    case napi_uint8_array: *dtype = Dtype::f8e4m3; return true;
    case napi_int8_array: *dtype = Dtype::i8; return true;
    case napi_int32_array: *dtype = Dtype::i32; return true;
    default: return false;
  }
}

/** Writes the buffers' addresses into a kernel's struct, whose numbers stand there already. */
bool placeBuffers(napi_env env, const KernelLayout& layout, const napi_value* buffers, size_t count, uint8_t* block) {
  if (count != layout.bufferCount) return fail(env, "a kernel takes the buffers of its contract, in their order");
  for (size_t i = 0; i < count; i++) {
    const BufferPlace& place = layout.buffers[i];
    napi_typedarray_type type;
    void* data = nullptr;
    Dtype dtype = Dtype::f32;
    if (napi_get_typedarray_info(env, buffers[i], &type, nullptr, &data, nullptr, nullptr) == napi_ok) {
      if (!dtypeOf(type, &dtype) || !(place.dtypes & takes(dtype))) return fail(env, "a buffer's dtype is not one of its contract's");
    } else {
      napi_valuetype what;
      napi_typeof(env, buffers[i], &what);
      if (what != napi_null) return fail(env, "a kernel takes typed arrays and null");
    }
    memcpy(block + place.offset, &data, sizeof data);
    if (place.dtypeOffset >= 0) memcpy(block + place.dtypeOffset, &dtype, sizeof dtype);
  }
  return true;
}

/** A kernel of one table, and its struct: an ArrayBuffer that JavaScript writes numbers into. */
struct Bound {
  const KernelLayout* layout;
  KernelFunction run;
  uint8_t* block;
  napi_ref kept;  // keeps the ArrayBuffer
};

napi_value callKernel(napi_env env, napi_callback_info info) {
  size_t count = kMaxBuffers;
  napi_value buffers[kMaxBuffers];
  void* data;
  napi_get_cb_info(env, info, &count, buffers, nullptr, &data);
  const Bound& bound = *(const Bound*)data;
  if (count > kMaxBuffers || !placeBuffers(env, *bound.layout, buffers, count, bound.block)) return nullptr;
  double result;
  {
    std::lock_guard<std::mutex> lock(kernelLock);
    result = bound.run(bound.block);
  }
  napi_value number;
  napi_create_double(env, result, &number);
  return number;
}

/** Kernels that run one after the other with arguments that stay the same, but for the number of tokens. */
struct Prepared {
  struct Call {
    KernelFunction run;
    int64_t* tokens;  // in the block
    std::vector<uint64_t> block;
  };
  std::vector<Call> calls;
};

napi_value callPrepared(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value value;
  void* data;
  int64_t tokens;
  napi_get_cb_info(env, info, &count, &value, nullptr, &data);
  if (count != 1 || napi_get_value_int64(env, value, &tokens) != napi_ok) return fail(env, "prepared kernels take a number of tokens"), nullptr;
  std::lock_guard<std::mutex> lock(kernelLock);
  std::vector<Prepared::Call>& calls = ((Prepared*)data)->calls;
  // All threads read these lines: written only where something changes.
  for (Prepared::Call& call : calls)
    if (*call.tokens != tokens) *call.tokens = tokens;
  asTeam([&] {
    for (const Prepared::Call& call : calls) call.run(call.block.data());
  });
  return nullptr;
}

/** One of `prepare`'s calls: [name, block, ...buffers]. */
bool readCall(napi_env env, napi_value list, const InstructionSet& set, Prepared::Call* call) {
  uint32_t length = 0;
  napi_value value, buffers[kMaxBuffers];
  char name[64];
  void* block;
  size_t bytes;
  napi_get_array_length(env, list, &length);
  if (length < 2 || length > kMaxBuffers + 2) return fail(env, "prepare(calls): a call is [kernel, block, ...buffers]");
  napi_get_element(env, list, 0, &value);
  if (!readText(env, value, name, sizeof name)) return fail(env, "prepare(calls): a kernel is named");
  int at = 0;
  while (at < kKernels && strcmp(kLayouts[at].name, name) != 0) at++;
  if (at == kKernels || !set.kernels[at] || kLayouts[at].tokensOffset < 0) return fail(env, "prepare(calls): no kernel of that name has a number of tokens");
  napi_get_element(env, list, 1, &value);
  if (napi_get_arraybuffer_info(env, value, &block, &bytes) != napi_ok || bytes != kLayouts[at].bytes) return fail(env, "prepare(calls): a block has its kernel's size");
  call->run = set.kernels[at];
  call->block.resize(bytes / sizeof(uint64_t));
  memcpy(call->block.data(), block, bytes);
  call->tokens = (int64_t*)call->block.data() + kLayouts[at].tokensOffset / sizeof(int64_t);
  for (uint32_t i = 2; i < length; i++) napi_get_element(env, list, i, &buffers[i - 2]);
  return placeBuffers(env, kLayouts[at], buffers, length - 2, (uint8_t*)call->block.data());
}

/** prepare(calls): a function of the number of tokens that runs them in turn. Whoever holds it must keep the memory of their arguments alive. */
napi_value prepare(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value list;
  void* data;
  uint32_t length = 0;
  napi_get_cb_info(env, info, &count, &list, nullptr, &data);
  if (napi_get_array_length(env, list, &length) != napi_ok) return fail(env, "prepare(calls): calls must be an array"), nullptr;
  Prepared* kept = new Prepared;
  kept->calls.resize(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value call;
    napi_get_element(env, list, i, &call);
    if (readCall(env, call, *(const InstructionSet*)data, &kept->calls[i])) continue;
    delete kept;
    return nullptr;
  }
  napi_value function;
  napi_create_function(env, "prepared", NAPI_AUTO_LENGTH, callPrepared, kept, &function);
  napi_add_finalizer(env, function, kept, [](napi_env, void* dead, void*) { delete (Prepared*)dead; }, nullptr, nullptr);
  return function;
}

void define(napi_env env, napi_value object, const char* name, napi_callback callback, const void* data = nullptr) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, (void*)data, &function);
  napi_set_named_property(env, object, name, function);
}

napi_value firstArg(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value value = nullptr;
  napi_get_cb_info(env, info, &count, &value, nullptr, nullptr);
  return value;
}

napi_value runAlone(napi_env env, napi_callback_info info) {
  bool alone = false;
  if (napi_get_value_bool(env, firstArg(env, info), &alone) != napi_ok) return fail(env, "runAlone(alone): alone must be true or false"), nullptr;
  workAlone(alone);
  return nullptr;
}

/** {run, block}: a kernel's function, and the memory of its struct. */
napi_value bind(napi_env env, const KernelLayout& layout, KernelFunction run) {
  napi_value object, block, function;
  void* data = nullptr;
  if (napi_create_arraybuffer(env, layout.bytes, &data, &block) != napi_ok) return nullptr;
  memset(data, 0, layout.bytes);
  Bound* bound = new Bound{&layout, run, (uint8_t*)data, nullptr};
  napi_create_reference(env, block, 1, &bound->kept);
  napi_create_function(env, layout.name, NAPI_AUTO_LENGTH, callKernel, bound, &function);
  napi_add_finalizer(env, function, bound, [](napi_env env, void* dead, void*) {
    napi_delete_reference(env, ((Bound*)dead)->kept);
    delete (Bound*)dead;
  }, nullptr, nullptr);
  napi_create_object(env, &object);
  napi_set_named_property(env, object, "run", function);
  napi_set_named_property(env, object, "block", block);
  return object;
}

/** table(isa): {kernels: {name: {run, block}}, prepare, runAlone}. */
napi_value table(napi_env env, napi_callback_info info) {
  char name[32];
  if (!readText(env, firstArg(env, info), name, sizeof name)) return fail(env, "table(isa): isa must be a name"), nullptr;
  for (int i = 0; i < setCount; i++) {
    if (strcmp(sets[i].name, name) != 0 || !sets[i].available) continue;
    napi_value object, kernels;
    napi_create_object(env, &object);
    napi_create_object(env, &kernels);
    for (int k = 0; k < kKernels; k++)
      if (sets[i].kernels[k]) napi_set_named_property(env, kernels, kLayouts[k].name, bind(env, kLayouts[k], sets[i].kernels[k]));
    napi_set_named_property(env, object, "kernels", kernels);
    define(env, object, "prepare", prepare, &sets[i]);
    define(env, object, "runAlone", runAlone);
    return object;
  }
  return fail(env, "table(isa): this machine lacks that instruction set"), nullptr;
}

napi_value setThreadsCall(napi_env env, napi_callback_info info) {
  double count = 1;
  napi_get_value_double(env, firstArg(env, info), &count);
  std::lock_guard<std::mutex> lock(kernelLock);
  setThreads((int)count);
  return nullptr;
}

/** Where files are mapped: memory that may be dropped, since a file holds it too. Leaked on purpose: finalizers run while the process exits. */
struct MappedFiles {
  std::mutex mutex;
  std::set<void*> starts;
};
MappedFiles& mappedFiles() {
  static MappedFiles* files = new MappedFiles;
  return *files;
}

void finalize(napi_env env, void*, void* hint) {
  Block* block = (Block*)hint;
  {
    std::lock_guard<std::mutex> lock(mappedFiles().mutex);
    mappedFiles().starts.erase(block->data);
  }
  int64_t ignored;
  napi_adjust_external_memory(env, -(int64_t)block->bytes, &ignored);
  freeBlock(*block);
  delete block;
}

/** An ArrayBuffer over the block's first `bytes`; a copy where this Node forbids memory of our own. */
napi_value bufferOver(napi_env env, const Block& block, size_t bytes) {
  Block* kept = new Block(block);
  napi_value buffer;
  const napi_status status = napi_create_external_arraybuffer(env, block.data, bytes, finalize, kept, &buffer);
  if (status == napi_ok) {
    int64_t ignored;
    napi_adjust_external_memory(env, (int64_t)block.bytes, &ignored);
    return buffer;
  }
  void* copy = nullptr;
  if (napi_create_arraybuffer(env, bytes, &copy, &buffer) == napi_ok && copy) memcpy(copy, block.data, bytes);
  {
    std::lock_guard<std::mutex> lock(mappedFiles().mutex);
    mappedFiles().starts.erase(block.data);
  }
  freeBlock(block);
  delete kept;
  return buffer;
}

napi_value emptyBuffer(napi_env env) {
  napi_value buffer;
  napi_create_arraybuffer(env, 0, nullptr, &buffer);
  return buffer;
}

napi_value allocate(napi_env env, napi_callback_info info) {
  double bytes = -1;
  napi_get_value_double(env, firstArg(env, info), &bytes);
  if (!(bytes >= 0) || bytes > 9e15) return fail(env, "allocate(bytes): bytes must be a size"), nullptr;
  if (bytes == 0) return emptyBuffer(env);
  const Block block = allocateBlock((size_t)bytes);
  if (!block.data) {
    char message[96];
    snprintf(message, sizeof message, "out of memory: could not take %.0f bytes", bytes);
    napi_throw_range_error(env, nullptr, message);
    return nullptr;
  }
  return bufferOver(env, block, (size_t)bytes);
}

napi_value mapFile(napi_env env, napi_callback_info info) {
  char path[4096];
  if (!readText(env, firstArg(env, info), path, sizeof path)) return fail(env, "mapFile(path): path must be text below 4096 bytes"), nullptr;
  errno = 0;
  const Block block = mapFileBlock(path);
  if (!block.data && errno == 0) return emptyBuffer(env);
  if (!block.data) {
    char message[4400];
    snprintf(message, sizeof message, "%s: %s", path, strerror(errno));
    napi_throw_error(env, nullptr, message);
    return nullptr;
  }
  {
    std::lock_guard<std::mutex> lock(mappedFiles().mutex);
    mappedFiles().starts.insert(block.data);
  }
  return bufferOver(env, block, block.bytes);
}

/** releaseMapped(buffer, from, to): only of buffers that mapFile made, whose bytes the file gives back. */
napi_value releaseMapped(napi_env env, napi_callback_info info) {
  size_t count = 3, length = 0;
  napi_value args[3];
  void* data = nullptr;
  double from = 0, to = 0;
  napi_get_cb_info(env, info, &count, args, nullptr, nullptr);
  if (count < 3 || napi_get_arraybuffer_info(env, args[0], &data, &length) != napi_ok) return fail(env, "releaseMapped(buffer, from, to)"), nullptr;
  napi_get_value_double(env, args[1], &from);
  napi_get_value_double(env, args[2], &to);
  std::lock_guard<std::mutex> lock(mappedFiles().mutex);
  if (!data || !mappedFiles().starts.count(data) || !(from >= 0 && from <= to && to <= (double)length)) return nullptr;
  releasePages((char*)data + (size_t)from, (char*)data + (size_t)to);
  return nullptr;
}

napi_value initialise(napi_env env, napi_value exports) {
  {
    std::lock_guard<std::mutex> lock(kernelLock);
    findSets();
  }
  napi_value names;
  napi_create_array(env, &names);
  uint32_t listed = 0;
  for (int i = 0; i < setCount; i++) {
    if (!sets[i].available || sets[i].forTests) continue;
    napi_value name;
    napi_create_string_utf8(env, sets[i].name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, names, listed++, name);
  }
  napi_set_named_property(env, exports, "isas", names);
  napi_value layouts;
  napi_create_object(env, &layouts);
  for (const KernelLayout& layout : kLayouts) {
    napi_value hash;
    napi_create_string_utf8(env, layout.hash, NAPI_AUTO_LENGTH, &hash);
    napi_set_named_property(env, layouts, layout.name, hash);
  }
  napi_set_named_property(env, exports, "layouts", layouts);
  define(env, exports, "table", table);
  define(env, exports, "setThreads", setThreadsCall);
  define(env, exports, "allocate", allocate);
  define(env, exports, "mapFile", mapFile);
  define(env, exports, "releaseMapped", releaseMapped);
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, initialise)
