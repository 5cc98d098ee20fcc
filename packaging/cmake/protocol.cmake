# de_proto: the generated messages. An own rule, because protobuf_generate() of CMake 3.25 misplaces files in
# subdirectories.
set(proto_out ${PROJECT_BINARY_DIR}/proto)
file(MAKE_DIRECTORY ${proto_out})
file(GLOB proto_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/proto/daemoneye/*.proto)
foreach(file IN LISTS proto_files)
  get_filename_component(stem ${file} NAME_WE)
  add_custom_command(
    OUTPUT ${proto_out}/daemoneye/${stem}.pb.cc ${proto_out}/daemoneye/${stem}.pb.h
    COMMAND ${DE_PROTOC} --cpp_out=${proto_out} -I ${PROJECT_SOURCE_DIR}/proto ${file}
    DEPENDS ${proto_files}
    VERBATIM)
  list(APPEND proto_sources ${proto_out}/daemoneye/${stem}.pb.cc)
endforeach()
add_library(de_proto STATIC ${proto_sources})
set_target_properties(de_proto PROPERTIES UNITY_BUILD OFF)
target_include_directories(de_proto SYSTEM PUBLIC ${proto_out})
target_link_libraries(de_proto PUBLIC protobuf::libprotobuf)
set_target_properties(de_proto PROPERTIES DE_LAYER 1)
