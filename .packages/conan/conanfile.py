"""Selfpage for Conan 2: `conan create .packages/conan` in a copy of the source.

The library alone needs nothing; with servers, the command and the test fixture (-o selfpage/*:servers=True) the
packages of Debian or Ubuntu that .ci/packages names are installed where Conan is allowed to."""
import os
import re

from conan import ConanFile
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load
from conan.tools.system.package_manager import Apt

SOURCES = ["CMakeLists.txt", "CMakePresets.json", "LICENSE", "include/*", "src/*", "sim/*"]


class SelfpageConan(ConanFile):
    name = "selfpage"
    license = "MIT"
    description = "Self-paging under contract: a userspace simulator of distributed virtual memory"
    topics = ("virtual-memory", "paging", "simulation", "testing")
    settings = "os", "arch", "compiler", "build_type"
    options = {"servers": [True, False]}
    default_options = {"servers": False}
    languages = "C"

    @property
    def _tree(self):
        return os.path.normpath(os.path.join(self.recipe_folder, "..", ".."))

    def set_version(self):
        text = load(self, os.path.join(self._tree, "CMakeLists.txt"))
        self.version = re.search(r"^project\(selfpage VERSION ([\d.]+)", text, re.M)[1]

    def export_sources(self):
        for pattern in SOURCES:
            copy(self, pattern, src=self._tree, dst=self.export_sources_folder)
        copy(self, "packages", src=os.path.join(self._tree, ".ci"), dst=self.export_sources_folder)

    def layout(self):
        cmake_layout(self)

    def system_requirements(self):
        if self.options.servers:
            text = load(self, os.path.join(self.source_folder, "packages"))
            Apt(self).install(re.search(r'packages_to_build="([^"]*)"', text)[1].split())

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["SELFPAGE_TESTS"] = False
        toolchain.cache_variables["SELFPAGE_BENCH"] = False
        toolchain.cache_variables["SELFPAGE_WERROR"] = False
        toolchain.cache_variables["SELFPAGE_SERVERS"] = bool(self.options.servers)
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        # find_package(selfpage) finds what the build has installed: selfpage::selfpage, ::static, ::testing.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("lib", "cmake", "selfpage")]
        self.cpp_info.set_property("pkg_config_name", "selfpage")
        self.cpp_info.libs = ["selfpage"]
        if self.settings.os == "Linux":
            self.cpp_info.system_libs = ["pthread", "dl"]
        self.buildenv_info.prepend_path("PATH", os.path.join(self.package_folder, "bin"))
