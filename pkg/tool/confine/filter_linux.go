package confine

import (
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refused are the system calls with which a command would reach the network or another process of its user. A datagram socket of a
// socket pair can send to any Unix socket, so pairs are refused as well. io_uring makes sockets without the system call.
var refused = []uint32{ //nolint:gochecknoglobals // a constant list
	unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_IO_URING_SETUP,
	unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_TGKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO, unix.SYS_PIDFD_SEND_SIGNAL,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
}

// Offsets in struct seccomp_data. Those of arguments are of their low halves: amd64 and arm64 are little-endian.
const (
	offsetNumber   = 0
	offsetArch     = 4
	offsetArgument = 16 // of the first; each takes 8 bytes
)

// x32 is __X32_SYSCALL_BIT: x86's third interface has the same calls, with this bit in their numbers.
const x32 = 0x40000000

// filterCalls has the kernel refuse these calls to this thread, and to all programs that it starts: see seccomp(2).
func filterCalls() error {
	filter, err := callFilter()
	if err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]} //nolint:gosec // a few dozen
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}

// callFilter returns the program with which the kernel decides about each call.
func callFilter() ([]unix.SockFilter, error) {
	arch, known := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if !known {
		return nil, errors.New("the system calls of this processor are not known")
	}
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: yes, Jf: no}
	}
	answer := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	refuse, allow := answer(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)), answer(unix.SECCOMP_RET_ALLOW)
	filter := []unix.SockFilter{
		load(offsetArch),
		equal(arch, 1, 0),
		answer(unix.SECCOMP_RET_KILL_PROCESS), // a program of another processor, such as 32-bit x86
		load(offsetNumber),
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: x32, Jf: 1},
		answer(unix.SECCOMP_RET_KILL_PROCESS),
	}
	for _, number := range refused {
		filter = append(filter, equal(number, 0, 1), refuse)
	}
	return append(filter,
		// Limits of another process: a limit of CPU time ends it. 0 is the caller itself.
		equal(unix.SYS_PRLIMIT64, 0, 4), load(offsetArgument), equal(0, 0, 1), allow, refuse,
		// Asynchronous input has the kernel send the owner of a file any signal, SIGKILL as well.
		equal(unix.SYS_FCNTL, 0, 4), load(offsetArgument+8), equal(unix.F_SETOWN, 1, 0), equal(unix.F_SETOWN_EX, 0, 1), refuse,
		allow,
	), nil
}
