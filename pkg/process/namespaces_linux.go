package process

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// set has the kernel make the namespaces when it starts the program. Its user has the same number there, and may mount.
func (n Namespaces) set(attributes *syscall.SysProcAttr) {
	if n == SharedNamespaces {
		return
	}
	attributes.Cloneflags |= unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWIPC
	if n == NoNetwork {
		attributes.Cloneflags |= unix.CLONE_NEWNET
	}
	attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	attributes.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
}
