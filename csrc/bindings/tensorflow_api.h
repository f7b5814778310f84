// The part of TensorFlow's C API, which is kept binary compatible for plug-ins, that is used here. The functions are
// looked up in the library that the process has loaded, so that TensorFlow is needed neither to build nor to import
// unrolled.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>

extern "C" {
struct TF_Status;
struct TF_Tensor;
struct TF_OpDefinitionBuilder;
struct TF_ShapeInferenceContext;
struct TF_KernelBuilder;
struct TF_OpKernelConstruction;
struct TF_OpKernelContext;
}

namespace unrolled {

constexpr int kFloat = 1, kInvalidArgument = 3, kResourceExhausted = 8, kInternal = 13;  // of TF_DataType and TF_Code

#define UNROLLED_FUNCTIONS(F)                                                                                    \
  F(NewStatus, TF_Status*, ())                                                                                   \
  F(DeleteStatus, void, (TF_Status*))                                                                            \
  F(SetStatus, void, (TF_Status*, int, const char*))                                                             \
  F(GetCode, int, (const TF_Status*))                                                                            \
  F(Message, const char*, (const TF_Status*))                                                                    \
  F(NewOpDefinitionBuilder, TF_OpDefinitionBuilder*, (const char*))                                              \
  F(OpDefinitionBuilderAddAttr, void, (TF_OpDefinitionBuilder*, const char*))                                    \
  F(OpDefinitionBuilderAddInput, void, (TF_OpDefinitionBuilder*, const char*))                                   \
  F(OpDefinitionBuilderAddOutput, void, (TF_OpDefinitionBuilder*, const char*))                                  \
  F(OpDefinitionBuilderSetShapeInferenceFunction, void,                                                          \
    (TF_OpDefinitionBuilder*, void (*)(TF_ShapeInferenceContext*, TF_Status*)))                                  \
  F(RegisterOpDefinition, void, (TF_OpDefinitionBuilder*, TF_Status*))                                           \
  F(ShapeInferenceContextSetUnknownShape, void, (TF_ShapeInferenceContext*, TF_Status*))                         \
  F(NewKernelBuilder, TF_KernelBuilder*,                                                                         \
    (const char*, const char*, void* (*)(TF_OpKernelConstruction*), void (*)(void*, TF_OpKernelContext*),        \
     void (*)(void*)))                                                                                           \
  F(RegisterKernelBuilder, void, (const char*, TF_KernelBuilder*, TF_Status*))                                   \
  F(OpKernelConstruction_GetAttrInt32, void, (TF_OpKernelConstruction*, const char*, int32_t*, TF_Status*))      \
  F(OpKernelConstruction_GetAttrBool, void, (TF_OpKernelConstruction*, const char*, unsigned char*, TF_Status*)) \
  F(OpKernelConstruction_Failure, void, (TF_OpKernelConstruction*, TF_Status*))                                  \
  F(OpKernelContext_Failure, void, (TF_OpKernelContext*, TF_Status*))                                            \
  F(GetInput, void, (TF_OpKernelContext*, int, TF_Tensor**, TF_Status*))                                         \
  F(AllocateOutput, TF_Tensor*, (TF_OpKernelContext*, int, int, const int64_t*, int, size_t, TF_Status*))        \
  F(DeleteTensor, void, (TF_Tensor*))                                                                            \
  F(TensorData, void*, (const TF_Tensor*))                                                                       \
  F(NumDims, int, (const TF_Tensor*))                                                                            \
  F(Dim, int64_t, (const TF_Tensor*, int))

struct Functions {
#define UNROLLED_DECLARE(name, result, parameters) result(*name) parameters = nullptr;
  UNROLLED_FUNCTIONS(UNROLLED_DECLARE)
#undef UNROLLED_DECLARE

  void look_up(void* library) {
#define UNROLLED_LOOK_UP(name, result, parameters)                            \
  name = reinterpret_cast<result(*) parameters>(dlsym(library, "TF_" #name)); \
  if (name == nullptr) throw std::runtime_error("it has no TF_" #name);
    UNROLLED_FUNCTIONS(UNROLLED_LOOK_UP)
#undef UNROLLED_LOOK_UP
  }
};

inline Functions tf;

class Status {
 public:
  Status() : status_(tf.NewStatus()) {}
  ~Status() { tf.DeleteStatus(status_); }
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

  operator TF_Status*() const { return status_; }
  void check() const {
    if (tf.GetCode(status_) != 0) throw std::runtime_error(tf.Message(status_));
  }
  void set(int code, const char* message) const { tf.SetStatus(status_, code, message); }

 private:
  TF_Status* status_;
};

}  // namespace unrolled
