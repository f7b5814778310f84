// Chooses the table of kernels that runs. This file is compiled for the oldest processor of its architecture.
#include "dispatch.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace unrolled {
namespace {

struct Target {
  const char* name;
  const TargetKernels* kernels;
  bool (*is_supported)();
};

// The fastest first. Each asks for exactly the -m flags that CMakeLists.txt compiles it with.
const Target kTargets[] = {
#if defined(__x86_64__)
    {"avx512", &avx512::kKernels,
     [] {
       return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
              __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
     }},
    {"avx2", &avx2::kKernels, [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }},
#endif
#if defined(__aarch64__)
    {"neon", &neon::kKernels, [] { return true; }},
#else
    {"baseline", &baseline::kKernels, [] { return true; }},
#endif
};

// Null if this processor does not support a target of this name.
const Target* find(const char* name) {
  for (const Target& target : kTargets)
    if (std::strcmp(target.name, name) == 0 && target.is_supported()) return &target;
  return nullptr;
}

const Target* choose() {
  const char* name = std::getenv("UNROLLED_ISA");
  if (const Target* named = name ? find(name) : nullptr) return named;
  const Target* target = kTargets;
  while (!target->is_supported()) ++target;
  return target;
}

std::atomic<const Target*>& current() {
  static std::atomic<const Target*> target{choose()};
  return target;
}

const TargetKernels& kernels() { return *current().load(std::memory_order_acquire)->kernels; }

}  // namespace

const char* target() { return current().load(std::memory_order_acquire)->name; }

bool set_target(const char* name) {
  const Target* target = find(name);
  if (target) current().store(target, std::memory_order_release);
  return target != nullptr;
}

const char* const* targets() {
  struct Names {
    Names() {
      int count = 0;
      for (const Target& target : kTargets)
        if (target.is_supported()) names[count++] = target.name;
    }
    const char* names[sizeof kTargets / sizeof *kTargets + 1] = {};
  };
  static const Names supported;
  return supported.names;
}

int64_t tape_size(const Recurrence& recurrence, const Sizes& sizes) { return kernels().tape_size(recurrence, sizes); }

void forward(const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs, const Outputs& outputs,
             float* tape) {
  kernels().cell_kernels(recurrence).forward(recurrence, sizes, inputs, outputs, tape);
}

void backward(const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs, const float* tape,
              const Cotangents& cotangents, const Gradients& gradients) {
  kernels().cell_kernels(recurrence).backward(recurrence, sizes, inputs, tape, cotangents, gradients);
}

Stream* open_stream(const Recurrence& recurrence, int64_t batch, int64_t features, int64_t units, const float* kernel,
                    const float* recurrent_kernel, const float* bias) {
  return kernels()
      .cell_kernels(recurrence)
      .open_stream(recurrence, batch, features, units, kernel, recurrent_kernel, bias);
}

// Defined here so that its code is compiled once, for the oldest processor.
Stream::~Stream() = default;

}  // namespace unrolled
