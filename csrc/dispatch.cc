// Which copy of the kernels runs. This file is compiled for the oldest processor of its kind.
#include "dispatch.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace unrolled {
namespace {

struct Isa {
  const char* name;
  const Kernels* kernels;
  bool (*is_supported)();
};

// The fastest first. What is asked for are the -m flags of CMakeLists.txt, no more and no less.
const Isa kIsas[] = {
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

// Null if this processor has no such instruction set.
const Isa* find(const char* name) {
  for (const Isa& isa : kIsas)
    if (std::strcmp(isa.name, name) == 0 && isa.is_supported()) return &isa;
  return nullptr;
}

const Isa* choose() {
  const char* wish = std::getenv("UNROLLED_ISA");
  if (const Isa* wished = wish ? find(wish) : nullptr) return wished;
  const Isa* isa = kIsas;
  while (!isa->is_supported()) ++isa;
  return isa;
}

std::atomic<const Isa*>& chosen() {
  static std::atomic<const Isa*> isa{choose()};
  return isa;
}

const Kernels& kernels() { return *chosen().load(std::memory_order_acquire)->kernels; }

}  // namespace

const char* isa() { return chosen().load(std::memory_order_acquire)->name; }

bool set_isa(const char* name) {
  const Isa* isa = find(name);
  if (isa) chosen().store(isa, std::memory_order_release);
  return isa != nullptr;
}

const char* const* isas() {
  static const char* names[sizeof kIsas / sizeof *kIsas + 1];
  static const bool filled = [] {
    int count = 0;
    for (const Isa& isa : kIsas)
      if (isa.is_supported()) names[count++] = isa.name;
    return true;
  }();
  static_cast<void>(filled);
  return names;
}

int64_t tape_size(const Recurrence& recurrence, const Sizes& sizes) { return kernels().tape_size(recurrence, sizes); }

void forward(const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs, const Outputs& outputs,
             float* tape) {
  kernels().forward(recurrence, sizes, inputs, outputs, tape);
}

void backward(const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs, const float* tape,
              const Cotangents& cotangents, const Gradients& gradients) {
  kernels().backward(recurrence, sizes, inputs, tape, cotangents, gradients);
}

Stream* open_stream(const Recurrence& recurrence, int64_t batch, int64_t features, int64_t units, const float* kernel,
                    const float* recurrent_kernel, const float* bias) {
  const Kernels& owner = kernels();
  Stream* stream = owner.open_stream(recurrence, batch, features, units, kernel, recurrent_kernel, bias);
  stream->kernels = &owner;
  return stream;
}

void step(Stream* stream, const float* inputs, float* h, float* c) { stream->kernels->step(stream, inputs, h, c); }

void close_stream(Stream* stream) { stream->kernels->close_stream(stream); }

}  // namespace unrolled
