# The kernel side of procmond's events: compiled to BPF and embedded, so that a running procmond needs no compiler.
# Turns itself off, with a message, when a tool is missing: procmond then has the slower ways to see processes.
option(DE_BPF "See processes through BPF; needs clang, bpftool and libbpf when building" ON)

add_library(de_bpf INTERFACE)
if(DE_BPF)
  find_program(DE_BPF_CLANG NAMES clang-16 clang-19 clang-18 clang-17 clang-15 clang-14 clang)
  find_program(DE_BPFTOOL bpftool PATHS /usr/sbin /sbin)
  pkg_check_modules(LIBBPF QUIET IMPORTED_TARGET GLOBAL "libbpf>=1.1")
  set(missing "")
  foreach(tool IN ITEMS DE_BPF_CLANG:clang-16 DE_BPFTOOL:bpftool LIBBPF_FOUND:libbpf-dev)
    string(REPLACE ":" ";" parts ${tool})
    list(GET parts 0 variable)
    list(GET parts 1 package)
    if(NOT ${variable})
      list(APPEND missing ${package})
    endif()
  endforeach()
  if(missing)
    list(JOIN missing " " missing)
    message(WARNING "BPF is off: procmond will not see processes that live shorter than a scan interval. "
                    "On Debian: apt-get install ${missing}")
    set(DE_BPF OFF)
  endif()
endif()

if(DE_BPF)
  set(source ${PROJECT_SOURCE_DIR}/procmond/collect/linux/bpf)
  set(built ${PROJECT_BINARY_DIR}/bpf)
  file(MAKE_DIRECTORY ${built})
  add_custom_command(
    OUTPUT ${built}/events.skel.h
    COMMAND ${DE_BPF_CLANG} -g -O2 -Wall -Wextra -Werror -target bpf -mcpu=v3
            -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -c ${source}/events.bpf.c -o ${built}/events.full.o
    COMMAND ${DE_BPFTOOL} gen object ${built}/events.o ${built}/events.full.o
    COMMAND ${DE_BPFTOOL} gen skeleton ${built}/events.o name events_bpf > ${built}/events.skel.h
    DEPENDS ${source}/events.bpf.c ${source}/ring.bpf.h ${source}/paths.bpf.h ${source}/chunks.bpf.h
            ${source}/event_layout.h ${source}/kernel_types.h
    COMMENT "Compiling events.bpf.c"
    VERBATIM)
  add_custom_target(de_bpf_skeleton DEPENDS ${built}/events.skel.h)
  add_dependencies(de_bpf de_bpf_skeleton)
  target_include_directories(de_bpf SYSTEM INTERFACE ${built})
  target_link_libraries(de_bpf INTERFACE PkgConfig::LIBBPF)
  target_compile_definitions(de_bpf INTERFACE DE_BPF)
endif()
