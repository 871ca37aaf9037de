import CLinux

/// Which version of the module this is.
package enum ProgramVersion {
  /// What the build was told: `1.2`, or `1.2+34.gabc` for 34 commits later.
  package static let text = clinux_program_version().map { String(cString: $0) } ?? "development build"
}
