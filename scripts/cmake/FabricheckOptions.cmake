# Warnings, sanitizers and the one way to declare a library of this project.

# AUTO: with the compilers that CI builds with, g++ 12, clang 14 and nvcc 13.0; what others warn of ends nobody's build.
set(FABRICHECK_WERROR AUTO CACHE STRING "Warnings are errors: AUTO, ON or OFF")
string(TOUPPER "${FABRICHECK_WERROR}" wish)
if(NOT wish MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "FABRICHECK_WERROR is '${FABRICHECK_WERROR}'; it can be AUTO, ON or OFF")
endif()
set(werror "")
set(cuda_werror 0)
if(wish STREQUAL "ON")
  set(werror -Werror)
  set(cuda_werror 1)
elseif(wish STREQUAL "AUTO" AND "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}" MATCHES "^(GNU 12|Clang 14)\\.")
  set(werror -Werror)
  set(cuda_werror "$<AND:$<VERSION_GREATER_EQUAL:$<CUDA_COMPILER_VERSION>,13.0>,$<VERSION_LESS:$<CUDA_COMPILER_VERSION>,13.1>>")
endif()

add_library(fabricheck_options INTERFACE)
target_compile_options(fabricheck_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic ${werror} -Wshadow -Wnon-virtual-dtor -Wold-style-cast>)
# g++ 12 sees overlapping copies in `"literal" + std::string` that are not there (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(fabricheck_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
target_link_options(fabricheck_options INTERFACE -Wl,--build-id=sha1)
# src for core/…, the top for topology/…, collectives/… and fabric/…
target_include_directories(fabricheck_options INTERFACE
  ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
target_compile_options(fabricheck_options INTERFACE
  "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;--expt-relaxed-constexpr;-Xcompiler=-Wall,-Wextra$<${cuda_werror}:,-Werror>;$<${cuda_werror}:-Werror=all-warnings>>")
find_package(Threads REQUIRED)
target_link_libraries(fabricheck_options INTERFACE Threads::Threads)
# Its sanitizers hide from it what is initialised, also inside std::regex (GCC's manual says so under -fsanitize).
if(FABRICHECK_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(fabricheck_options INTERFACE -Wno-maybe-uninitialized)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(fabricheck_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wreserved-identifier>)
endif()
if(FABRICHECK_SANITIZE)
  target_compile_options(fabricheck_options INTERFACE
    $<$<NOT:$<COMPILE_LANGUAGE:CUDA>>:-fsanitize=${FABRICHECK_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all>)
  target_link_options(fabricheck_options INTERFACE -fsanitize=${FABRICHECK_SANITIZE})
  # clang compares the C++ types of functions that are called by pointer; a library opened at run time has its own.
  if(FABRICHECK_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(fabricheck_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=function>)
  endif()
  if(FABRICHECK_SANITIZE MATCHES "address")
    target_compile_definitions(fabricheck_options INTERFACE FABRICHECK_ADDRESS_SANITIZER)
  endif()
endif()
if(FABRICHECK_FUZZ AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "FABRICHECK_FUZZ=ON needs libFuzzer, which is clang's; set CMAKE_CXX_COMPILER=clang++ in a new build folder")
endif()

# fabricheck_library(NAME SOURCES… [PUBLIC libs…] [PRIVATE libs…])
function(fabricheck_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC fabricheck_options ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  # Where the fuzzer has been is seen in the program's own code only.
  if(FABRICHECK_FUZZ)
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>)
  endif()
endfunction()

# fabricheck_embed(TARGET SYMBOL FILE): the text of FILE as `extern const char SYMBOL[]` in namespace fabricheck::embedded.
function(fabricheck_embed target symbol file)
  get_filename_component(file "${file}" ABSOLUTE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
  file(READ "${file}" text)
  # A raw string literal may hold at most 64 KiB: cut it.
  string(LENGTH "${text}" length)
  set(literal "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} 8000 part)
    string(APPEND literal "R\"~embed~(${part})~embed~\"\n")
    math(EXPR at "${at} + 8000")
  endwhile()
  set(out "${CMAKE_CURRENT_BINARY_DIR}/embedded_${symbol}.cpp")
  file(WRITE "${out}.new" "namespace fabricheck::embedded {\nextern const char ${symbol}[];\nconst char ${symbol}[] =\n${literal};\n}\n")
  configure_file("${out}.new" "${out}" COPYONLY)
  target_sources(${target} PRIVATE "${out}")
endfunction()
