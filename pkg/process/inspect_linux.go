package process

import "golang.org/x/sys/unix"

// DenyInspection keeps other processes of the same user, such as the programs that Run starts, from
// reading the memory, the environment and the open files of this process, through /proc or as a
// debugger. So a program that a hostile file has taken over finds no credentials there. Only a
// process with CAP_SYS_PTRACE can still do so. It also ends core dumps. Only Linux has this.
func DenyInspection() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
