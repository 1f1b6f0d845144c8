# What is installed, and the Debian package that CPack makes of it: cpack -G DEB in the build's folder.

include(GNUInstallDirs)
install(TARGETS fabricheck RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES src/report/fabricheck.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/fabricheck)
install(FILES ${CMAKE_BINARY_DIR}/docs/fabricheck.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CMAKE_BINARY_DIR}/docs/fabricheck DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(PROGRAMS slurm/prolog.sh slurm/epilog.sh slurm/healthcheck.sh slurm/acceptance.sbatch
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fabricheck/slurm)
install(FILES slurm/fabricheck.toml slurm/README.md DESTINATION ${CMAKE_INSTALL_DATADIR}/fabricheck/slurm)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
# In the folders that README's links name.
foreach(room collectives fabric slurm src/core src/device src/diagnose tests/bench topology)
  install(FILES ${room}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/${room})
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME fabricheck)
set(CPACK_PACKAGE_VENDOR "fabricheck maintainers")
set(CPACK_PACKAGE_CONTACT "fabricheck maintainers <maintainers@fabricheck.invalid>")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "tester for the fabric that trains models")
set(CPACK_PACKAGE_DESCRIPTION "Finds out what the hosts of a GPU cluster are made of, measures MPI collectives
between them, holds both against targets with an honest interval, and names
the part to fix. One rank per GPU, started by mpirun or srun, or by itself.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/DebianTree.cmake)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# mpirun starts the ranks of `fabricheck run` and `launch`; the other hosts are reached by ssh.
set(CPACK_DEBIAN_PACKAGE_DEPENDS openmpi-bin)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS openssh-client)
include(CPack)
