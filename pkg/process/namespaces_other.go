//go:build !linux

package process

import "syscall"

// set does nothing: only Linux has namespaces.
func (Namespaces) set(*syscall.SysProcAttr) {}
