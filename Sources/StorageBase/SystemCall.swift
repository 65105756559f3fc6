internal import CLinux

/// Calls the system, again where a signal interrupted it; the one place that knows of EINTR and `-errno`.
///
/// - Parameters:
///   - operation: The system call's name.
///   - action: What is attempted, as a verb with its object; it opens the error's message.
///   - path: The file or directory.
///   - call: The call; it returns its result, or `-errno`.
@discardableResult
package func systemCall<Result: FixedWidthInteger & SignedInteger>(
    _ operation: String,
    _ action: @autoclosure () -> String,
    path: String?,
    _ call: () -> Result
) throws(StorageError) -> Result {
    while true {
        let result = call()
        if result >= 0 { return result }
        if result != -Result(EINTR) {
            throw StorageError(errno: Int32(-result), action: action(), path: path, operation: operation)
        }
    }
}
