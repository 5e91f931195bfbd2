package process

import "time"

// Limits bounds the resources that a program may use. A zero field sets no bound. Only Linux
// enforces them, from a moment after the program's start; what it used before counts.
//
// A program that exceeds its CPU time ends with an error of kind OutOfTime; any other excess is of
// kind OutOfSpace.
type Limits struct {
	// Memory bounds private memory, in bytes. The address space may be twice that plus 8 GiB,
	// because threads, allocators and shared libraries reserve memory that they never touch.
	Memory   int64
	CPU      time.Duration // over all threads; rounded up to a second
	FileSize int64         // bytes; the largest file that it may write
}

const (
	// maxOpenFiles is enough for a remux of hundreds of attachments, and for the devices of a GPU.
	maxOpenFiles = 1024
	// reservedMemory is by how much the address space may exceed twice the private memory: a
	// dynamically linked ffmpeg maps 300 MiB of libraries, and glibc reserves 64 MiB for each of up
	// to 100 threads.
	reservedMemory = 8 << 30
)
