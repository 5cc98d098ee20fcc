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
  file(GLOB headers CONFIGURE_DEPENDS ${source}/*.h)
  set(skeletons "")
  foreach(program IN ITEMS events processes)
    add_custom_command(
      OUTPUT ${built}/${program}.skel.h
      COMMAND ${DE_BPF_CLANG} -g -O2 -Wall -Wextra -Werror -target bpf -mcpu=v3
              -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -c ${source}/${program}.bpf.c
              -o ${built}/${program}.full.o
      COMMAND ${DE_BPFTOOL} gen object ${built}/${program}.o ${built}/${program}.full.o
      COMMAND ${DE_BPFTOOL} gen skeleton ${built}/${program}.o name ${program}_bpf > ${built}/${program}.skel.h
      DEPENDS ${source}/${program}.bpf.c ${headers}
      COMMENT "Compiling ${program}.bpf.c"
      VERBATIM)
    list(APPEND skeletons ${built}/${program}.skel.h)
  endforeach()
  add_custom_target(de_bpf_skeleton DEPENDS ${skeletons})
  add_dependencies(de_bpf de_bpf_skeleton)
  target_include_directories(de_bpf SYSTEM INTERFACE ${built})
  target_link_libraries(de_bpf INTERFACE PkgConfig::LIBBPF)
  if(DE_STATIC)
    find_library(DE_ELF NAMES elf REQUIRED)
    find_library(DE_Z NAMES z REQUIRED)
    target_link_libraries(de_bpf INTERFACE ${DE_ELF} ${DE_Z})
  endif()
  target_compile_definitions(de_bpf INTERFACE DE_BPF)
endif()
