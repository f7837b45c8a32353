# find_package(Interceptor) - libraries that hook system calls.
#
#   Interceptor::headers                      interceptor.h, x86linux/helper.h
#   Interceptor::interceptor                  a hook that is linked with it can be preloaded alone
#   Interceptor::syscall_intercept            for hooks written for libsyscall_intercept
#   Interceptor::syscall_intercept_static
#   Interceptor::syscall_intercept_tls        the same, with a hook point for each thread
#   Interceptor::syscall_intercept_tls_static
#   Interceptor_COMMAND                       the command line tool, if it is installed
#
# All is found from where this file is; nothing of it is fixed when it is installed.

get_filename_component(Interceptor_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(Interceptor_LIBRARY_DIR "${Interceptor_PREFIX}/lib")
set(Interceptor_INCLUDE_DIR "${Interceptor_PREFIX}/include")
set(Interceptor_COMMAND "${Interceptor_PREFIX}/bin/interceptor")
if(NOT EXISTS "${Interceptor_COMMAND}")
  set(Interceptor_COMMAND "Interceptor_COMMAND-NOTFOUND")
endif()

if(NOT TARGET Interceptor::headers)
  add_library(Interceptor::headers INTERFACE IMPORTED)
  set_target_properties(Interceptor::headers PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${Interceptor_INCLUDE_DIR}")
endif()

function(_interceptor_library target kind file soname definitions)
  if(TARGET "Interceptor::${target}" OR NOT EXISTS "${Interceptor_LIBRARY_DIR}/${file}")
    return()
  endif()
  add_library("Interceptor::${target}" ${kind} IMPORTED)
  set_target_properties("Interceptor::${target}" PROPERTIES
    IMPORTED_LOCATION "${Interceptor_LIBRARY_DIR}/${file}"
    INTERFACE_INCLUDE_DIRECTORIES "${Interceptor_INCLUDE_DIR}"
    INTERFACE_COMPILE_DEFINITIONS "${definitions}")
  if(soname)
    set_target_properties("Interceptor::${target}" PROPERTIES IMPORTED_SONAME "${soname}")
  endif()
endfunction()

_interceptor_library(interceptor SHARED libinterceptor.so libinterceptor.so "")
_interceptor_library(syscall_intercept SHARED
  libsyscall_intercept.so.0 libsyscall_intercept.so.0 "")
_interceptor_library(syscall_intercept_static STATIC libsyscall_intercept.a "" "")
_interceptor_library(syscall_intercept_tls SHARED
  libsyscall_intercept_tls.so.0 libsyscall_intercept_tls.so.0
  INTERCEPT_HOOK_POINT_THREAD_LOCAL)
_interceptor_library(syscall_intercept_tls_static STATIC
  libsyscall_intercept_tls.a "" INTERCEPT_HOOK_POINT_THREAD_LOCAL)
