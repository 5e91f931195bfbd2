package confine

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// maxTasks is how many tasks the user of containers may have, of all containers together. Each container has a bound of its own.
const maxTasks = 32768

// ulimits are flags of podman. Its defaults exceed what the caller may give.
func ulimits() (flags []string) {
	for _, l := range []struct {
		name     string
		resource int
		most     uint64
	}{{"nofile", unix.RLIMIT_NOFILE, maxFiles}, {"nproc", unix.RLIMIT_NPROC, maxTasks}} {
		var own unix.Rlimit
		if unix.Getrlimit(l.resource, &own) == nil {
			l.most = min(l.most, own.Max)
		}
		flags = append(flags, "--ulimit", fmt.Sprintf("%s=%d:%d", l.name, l.most, l.most))
	}
	return flags
}
