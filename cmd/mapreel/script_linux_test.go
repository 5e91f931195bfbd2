package main

import (
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// canMount reports whether this process may mount a file system on dir.
func canMount(dir string) bool {
	return unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4096") == nil && unix.Unmount(dir, unix.MNT_DETACH) == nil
}

func tmpfs(ts *testscript.TestScript, _ bool, args []string) {
	requireArgs(ts, args, 2, "tmpfs FOLDER BYTES")
	dir := ts.MkAbs(args[0])
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+args[1]))
	ts.Defer(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}
