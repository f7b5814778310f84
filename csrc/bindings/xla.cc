// The kernels for XLA, through its foreign function interface: JAX runs them without Python.
#include <new>
#include <stdexcept>
#include <type_traits>

#include "bindings/arguments.h"
#include "bindings/frameworks.h"
#include "runtime/parallel.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

// XLA passes each field of a Recurrence as an attribute of the same name, and an enumeration as int32.
XLA_FFI_REGISTER_ENUM_ATTR_DECODING(unrolled::Cell);
XLA_FFI_REGISTER_ENUM_ATTR_DECODING(unrolled::Activation);
XLA_FFI_REGISTER_STRUCT_ATTR_DECODING(unrolled::Recurrence, StructMember<unrolled::Cell>("cell"),
                                      StructMember<unrolled::Activation>("activation"),
                                      StructMember<unrolled::Activation>("recurrent_activation"),
                                      StructMember<bool>("reset_after"), StructMember<bool>("go_backwards"),
                                      StructMember<bool>("return_sequences"),
                                      StructMember<bool>("zero_output_for_mask"));

namespace unrolled {
namespace {

using Floats = ffi::Buffer<ffi::F32>;
using Booleans = ffi::Buffer<ffi::PRED>;
using Result = ffi::Result<Floats>;

template <typename Buffer>
Array from_xla(const char* name, const Buffer& buffer) {
  const auto shape = buffer.dimensions();
  return {name, buffer.untyped_data(), shape.begin(), shape.size()};
}

// The lists of arguments.h as parameters, arrays and bindings.
template <typename Element>
using BufferOf = std::conditional_t<std::is_same_v<Element, bool>, Booleans, Floats>;
#define UNROLLED_INPUT(name, type, presence) , BufferOf<type> name
#define UNROLLED_RESULT(name, type, presence) , Result name
#define UNROLLED_COTANGENT(name, type, presence) , Floats name##_cotangent
#define UNROLLED_GRADIENT(name, type, presence) , Result name##_gradient
#define UNROLLED_INPUT_ARRAY(name, type, presence) from_xla(#name, name),
#define UNROLLED_RESULT_ARRAY(name, type, presence) from_xla(#name, *name),
#define UNROLLED_COTANGENT_ARRAY(name, type, presence) from_xla(#name " cotangent", name##_cotangent),
#define UNROLLED_GRADIENT_ARRAY(name, type, presence) from_xla(#name " gradient", *name##_gradient),
#define UNROLLED_BIND_INPUT(name, type, presence) .Arg<BufferOf<type>>()
#define UNROLLED_BIND_RESULT(name, type, presence) .Ret<Floats>()

// Computes on XLA's threads. Exceptions become errors, because none may reach XLA.
template <typename Work>
ffi::Error run_on(ffi::ThreadPool& pool, const Work& work) {
  const ExternalThreadPool external{[](void* xla_pool, void (*task)(void*), void* data) {
                                      static_cast<ffi::ThreadPool*>(xla_pool)->Schedule([=] { task(data); });
                                    },
                                    &pool, static_cast<int>(pool.num_threads())};
  const ExternalThreadPoolScope scope(external);
  try {
    work();
    return ffi::Error::Success();
  } catch (const std::invalid_argument& error) {
    return ffi::Error::InvalidArgument(error.what());
  } catch (const std::bad_alloc&) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "native kernel: out of memory.");
  } catch (const std::exception& error) {
    return ffi::Error::Internal(error.what());
  }
}

ffi::Error forward_for_xla(ffi::ThreadPool pool,
                           Recurrence recurrence UNROLLED_INPUTS(UNROLLED_INPUT) UNROLLED_RESULTS(UNROLLED_RESULT),
                           Result tape) {
  return run_on(pool, [&] {
    const ForwardCall call(recurrence, {UNROLLED_INPUTS(UNROLLED_INPUT_ARRAY)},
                           {UNROLLED_RESULTS(UNROLLED_RESULT_ARRAY)}, from_xla("tape", *tape));
    call.run();
  });
}

ffi::Error backward_for_xla(ffi::ThreadPool pool, Recurrence recurrence UNROLLED_INPUTS(UNROLLED_INPUT),
                            Floats tape UNROLLED_RESULTS(UNROLLED_COTANGENT)
                                UNROLLED_DIFFERENTIABLE_INPUTS(UNROLLED_GRADIENT)) {
  return run_on(pool, [&] {
    const BackwardCall call(recurrence, {UNROLLED_INPUTS(UNROLLED_INPUT_ARRAY)}, from_xla("tape", tape),
                            {UNROLLED_RESULTS(UNROLLED_COTANGENT_ARRAY)},
                            {UNROLLED_DIFFERENTIABLE_INPUTS(UNROLLED_GRADIENT_ARRAY)});
    call.run();
  });
}

auto bind_inputs() {
  return ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Attrs<Recurrence>() UNROLLED_INPUTS(UNROLLED_BIND_INPUT);
}

XLA_FFI_DEFINE_HANDLER(kXlaForward, forward_for_xla,
                       bind_inputs() UNROLLED_RESULTS(UNROLLED_BIND_RESULT).Ret<Floats>());  // tape

XLA_FFI_DEFINE_HANDLER(kXlaBackward, backward_for_xla,
                       bind_inputs().Arg<Floats>()  // tape
                       UNROLLED_RESULTS(UNROLLED_BIND_INPUT) UNROLLED_DIFFERENTIABLE_INPUTS(UNROLLED_BIND_RESULT));

}  // namespace

void* xla_forward() { return reinterpret_cast<void*>(kXlaForward); }

void* xla_backward() { return reinterpret_cast<void*>(kXlaBackward); }

}  // namespace unrolled
