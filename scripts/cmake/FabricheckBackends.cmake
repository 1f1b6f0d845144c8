# Optional back ends. AUTO takes what is there, ON demands it, OFF leaves it out. Each sets
# FABRICHECK_<NAME>_STATE, the sentence that `fabricheck run` puts into tool.built_with.

set(FABRICHECK_CUDA AUTO CACHE STRING "CUDA Toolkit: AUTO, ON or OFF")
set(FABRICHECK_NCCL AUTO CACHE STRING "NCCL headers: AUTO, ON or OFF")
set(FABRICHECK_VERBS AUTO CACHE STRING "libibverbs: AUTO, ON or OFF")

find_package(MPI REQUIRED COMPONENTS C)

function(fabricheck_backend name header)
  cmake_parse_arguments(arg "" "" "HINTS" ${ARGN})
  string(TOUPPER "${FABRICHECK_${name}}" wish)
  if(NOT wish MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "FABRICHECK_${name} is '${FABRICHECK_${name}}'; it can be AUTO, ON or OFF")
  endif()
  if(wish STREQUAL "OFF")
    set(state "no: switched off in this build")
  else()
    find_path(FABRICHECK_${name}_INCLUDE ${header} HINTS ${arg_HINTS} PATH_SUFFIXES include)
    if(FABRICHECK_${name}_INCLUDE)
      set(state "found")
    elseif(wish STREQUAL "ON")
      message(FATAL_ERROR "FABRICHECK_${name}=ON, but ${header} was not found; install it or set FABRICHECK_${name}=AUTO")
    else()
      set(state "no: ${header} was not found when this was built")
    endif()
  endif()
  message(STATUS "fabricheck back end ${name}: ${state}")
  set(FABRICHECK_${name}_STATE "${state}" PARENT_SCOPE)
endfunction()

fabricheck_backend(CUDA cuda_runtime.h HINTS /usr/local/cuda $ENV{CUDA_HOME})
fabricheck_backend(NCCL nccl.h HINTS /usr/local/cuda $ENV{NCCL_HOME} $ENV{CUDA_HOME})
fabricheck_backend(VERBS infiniband/verbs.h)
