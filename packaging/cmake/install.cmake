# What is installed where, and the packages made of it (packaging/package). Only for Linux with systemd; the programs
# themselves do not need it.
#
# The targets `pages` and `package_files` run the programs that were built: man pages, completions and the sample
# configuration are what they say themselves.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # A package needs no tests; packaging/package builds what it needs.
set(pages ${PROJECT_BINARY_DIR}/pages)
set(made "")
find_program(DE_GZIP gzip)
foreach(page IN ITEMS procmond:8 daemoneye-agent:8 daemoneye-cli:1)
  string(REPLACE ":" ";" parts ${page})
  list(GET parts 0 program)
  list(GET parts 1 section)
  add_custom_command(
    OUTPUT ${pages}/man/${program}.${section}.gz
    COMMAND ${PROJECT_SOURCE_DIR}/packaging/pages/generate $<TARGET_FILE:${program}> ${section}
            ${PROJECT_SOURCE_DIR}/packaging/pages/${program}.man ${pages}
    COMMAND ${DE_GZIP} -9nf ${pages}/man/${program}.${section}
    DEPENDS ${program} packaging/pages/generate packaging/pages/${program}.man
    VERBATIM)
  list(APPEND made ${pages}/man/${program}.${section}.gz)
  install(FILES ${pages}/man/${program}.${section}.gz DESTINATION share/man/man${section})
  install(FILES ${pages}/bash/${program} DESTINATION share/bash-completion/completions)
  install(FILES ${pages}/zsh/_${program} DESTINATION share/zsh/vendor-completions)
  install(FILES ${pages}/fish/${program}.fish DESTINATION share/fish/vendor_completions.d)
endforeach()
add_custom_target(pages DEPENDS ${made})

set(doc ${PROJECT_BINARY_DIR}/doc)
add_custom_command(
  OUTPUT ${doc}/config.yaml ${doc}/changelog.Debian.gz
  COMMAND $<TARGET_FILE:daemoneye-cli> config sample > ${doc}/config.yaml
  COMMAND ${DE_GZIP} -9nc ${PROJECT_SOURCE_DIR}/packaging/debian/changelog > ${doc}/changelog.Debian.gz
  DEPENDS daemoneye-cli packaging/debian/changelog
  VERBATIM)
file(MAKE_DIRECTORY ${doc})
add_custom_target(package_files DEPENDS pages procmond daemoneye-agent daemoneye-courier ${doc}/config.yaml ${doc}/changelog.Debian.gz)

install(TARGETS procmond daemoneye-agent RUNTIME DESTINATION sbin)
install(TARGETS daemoneye-cli RUNTIME DESTINATION bin)
install(TARGETS daemoneye-courier RUNTIME DESTINATION libexec/daemoneye)
install(FILES packaging/systemd/procmond.service packaging/systemd/daemoneye-agent.service
        DESTINATION lib/systemd/system)
install(FILES packaging/systemd/daemoneye.sysusers RENAME daemoneye.conf DESTINATION lib/sysusers.d)
install(FILES packaging/systemd/daemoneye.tmpfiles RENAME daemoneye.conf DESTINATION lib/tmpfiles.d)
file(GLOB rules CONFIGURE_DEPENDS packaging/rules/*.yaml)
install(FILES ${rules} DESTINATION share/daemoneye/rules)
install(FILES packaging/systemd/network-sinks.conf DESTINATION share/daemoneye/systemd)
if(DE_STATIC)
  file(REAL_PATH ${DE_MAGIC_DATABASE} magic_database)
  install(FILES ${magic_database} DESTINATION share/daemoneye)
endif()
install(FILES ${doc}/config.yaml DESTINATION /etc/daemoneye)
install(DIRECTORY DESTINATION /etc/daemoneye/rules.d)
file(GLOB documents CONFIGURE_DEPENDS docs/*.md)
install(FILES ${documents} packaging/debian/copyright ${doc}/changelog.Debian.gz DESTINATION share/doc/daemoneye)

set(CPACK_PACKAGE_NAME daemoneye)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "DaemonEye maintainers <maintainers@daemoneye.example>")
set(CPACK_PACKAGE_VENDOR DaemonEye)
set(CPACK_RPM_PACKAGE_RELOCATABLE OFF)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "process monitor with detection rules and an audit ledger")
set(CPACK_PACKAGE_DESCRIPTION
    "DaemonEye sees every process of the host begin, execute and end, stores\nwhat it saw, runs detection rules over it and delivers alerts. A small\ncollector with a few privileges is apart from an agent that has none; a\nconsole asks the agent with SQL. Nothing of it uses the network, unless\nalerts are to be posted to a server.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_OUTPUT_FILE_PREFIX ${PROJECT_BINARY_DIR}/packages)
set(CPACK_GENERATOR DEB)

set(debian ${PROJECT_SOURCE_DIR}/packaging/debian)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "init-system-helpers (>= 1.54~), passwd")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS systemd)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${debian}/conffiles ${debian}/postinst ${debian}/prerm ${debian}/postrm)

set(rpm ${PROJECT_SOURCE_DIR}/packaging/rpm)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
# Debian's libcurl has versions of its own for its symbols, which other systems' has not: the courier runs with either.
set(CPACK_RPM_SPEC_MORE_DEFINE "%global __requires_exclude ^libcurl")
set(CPACK_RPM_PACKAGE_LICENSE Apache-2.0)
set(CPACK_RPM_PACKAGE_GROUP System/Monitoring)
set(CPACK_RPM_PACKAGE_DESCRIPTION "${CPACK_PACKAGE_DESCRIPTION}")
set(CPACK_RPM_POST_INSTALL_SCRIPT_FILE ${rpm}/post)
set(CPACK_RPM_PRE_UNINSTALL_SCRIPT_FILE ${rpm}/preun)
set(CPACK_RPM_POST_UNINSTALL_SCRIPT_FILE ${rpm}/postun)
set(CPACK_RPM_USER_FILELIST "%config(noreplace) /etc/daemoneye/config.yaml")
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION
    /etc /usr/lib/systemd /usr/lib/systemd/system /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/sbin /usr/share/man
    /usr/share/man/man1 /usr/share/man/man8 /usr/share/bash-completion /usr/share/bash-completion/completions
    /usr/share/zsh /usr/share/zsh/vendor-completions /usr/share/fish /usr/share/fish/vendor_completions.d)
include(CPack)
