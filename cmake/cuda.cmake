# The compiler for the kernels of models/cuda; sets REPLICATE_HAS_CUDA_KERNELS where there is one.
#
#   -DREPLICATE_CUDA_KERNELS=AUTO    compile them where nvcc is found (CUDACXX, CUDA_HOME, beside LibTorch, /usr/local/cuda,
#                                    PATH); ON: stop where it is not; OFF: do not look

set(REPLICATE_CUDA_KERNELS AUTO CACHE STRING "Compile the CUDA kernels: AUTO, ON, OFF")
set(REPLICATE_HAS_CUDA_KERNELS FALSE)
if(REPLICATE_CUDA_KERNELS STREQUAL "OFF")
  return()
endif()

include(CheckLanguage)
if(NOT DEFINED ENV{CUDACXX} AND NOT CMAKE_CUDA_COMPILER)  # CUDA's own place is often not on the PATH
  find_program(REPLICATE_NVCC nvcc HINTS "$ENV{CUDA_HOME}/bin" "${LIBTORCH}/../nvidia/cu13/bin" /usr/local/cuda/bin)
  if(REPLICATE_NVCC)
    set(ENV{CUDACXX} "${REPLICATE_NVCC}")
  endif()
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90)  # A100, H100 and H200; PTX of the latter for what comes after them
endif()
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(REPLICATE_CUDA_KERNELS STREQUAL "ON")
    message(FATAL_ERROR "no nvcc that works (PATH, CUDACXX, CUDA_HOME): "
                        "install CUDA 12 or newer, or set REPLICATE_CUDA_KERNELS=AUTO")
  endif()
  message(STATUS "no nvcc: without CUDA kernels")
  return()
endif()
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12)
  message(STATUS "nvcc ${CMAKE_CUDA_COMPILER_VERSION} has no C++20: without CUDA kernels")
  return()
endif()
if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc has C++20
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_STANDARD 20)

set(REPLICATE_HAS_CUDA_KERNELS TRUE)
message(STATUS "CUDA kernels: nvcc ${CMAKE_CUDA_COMPILER_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES}")
