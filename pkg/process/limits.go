package process

import (
	"fmt"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Limits bounds the resources that a program may use. Run refuses a zero field, so that no call goes
// without limits by mistake; None leaves one resource free on purpose. Only Linux enforces all of
// them, from a moment after the program's start; what it used before counts.
//
// A program that exceeds a limit ends with an Excess in its error. Its kind is Unsupported, because
// the work itself asks for too much, or, for a limit that Within lowered to what the machine has,
// OutOfSpace or OutOfTime, because a larger worker may do it.
type Limits struct {
	// Memory bounds private memory, in bytes. The address space may be twice that plus 8 GiB,
	// because threads, allocators and shared libraries reserve memory that they never touch.
	Memory    int64
	CPU       time.Duration // over all threads; rounded up to a second
	Wall      time.Duration // from the start, whether it computes or waits
	FileSize  int64         // bytes; the largest file that it may write
	Written   int64         // bytes that it may write in all, to files and pipes
	OpenFiles int
	Processes int // it and its descendants

	machine [resources]bool // the limits that the machine sets
}

// None is the value of a limit that is left free on purpose.
const None = -1

// Unlimited returns limits that bound nothing, for programs that read no foreign data.
func Unlimited() Limits {
	return Limits{Memory: None, CPU: None, Wall: None, FileSize: None, Written: None, OpenFiles: None, Processes: None}
}

// Resource is what a limit bounds.
type Resource int

// The resources, in the order of the fields of Limits.
const (
	Memory Resource = iota
	CPU
	Wall
	FileSize
	Written
	OpenFiles
	Processes
	resources // their number
)

// values returns the fields of l in the order of the resources.
func (l *Limits) values() [resources]int64 {
	return [...]int64{
		l.Memory, int64(l.CPU), int64(l.Wall), l.FileSize, l.Written, int64(l.OpenFiles), int64(l.Processes),
	}
}

// set sets the field of a resource.
func (l *Limits) set(r Resource, value int64) {
	switch r {
	case Memory:
		l.Memory = value
	case CPU:
		l.CPU = time.Duration(value)
	case Wall:
		l.Wall = time.Duration(value)
	case FileSize:
		l.FileSize = value
	case Written:
		l.Written = value
	case OpenFiles:
		l.OpenFiles = int(value)
	case Processes:
		l.Processes = int(value)
	}
}

// Within returns l lowered to what the machine has. Zero fields of machine, and None, lower nothing.
func (l Limits) Within(machine Limits) Limits {
	has := machine.values()
	for r, value := range l.values() {
		if has[r] > 0 && (value <= 0 || has[r] < value) {
			l.set(Resource(r), has[r])
			l.machine[r] = true
		}
	}
	return l
}

// WithInherited returns l lowered to the limits that this process has and passes on: a user's ulimit,
// or a batch system's. An error must name the limit that a program met.
func (l Limits) WithInherited() Limits { return l.Within(inherited()) }

// check returns an error if a limit is not set.
func (l Limits) check(program string) error {
	for r, value := range l.values() {
		if value == 0 || value < None {
			return fault.New(fault.Internal, "%s would run without a limit of its %v", program, Resource(r))
		}
	}
	return nil
}

func (r Resource) String() string {
	return [...]string{"memory", "CPU time", "time", "size of a file", "bytes written", "open files", "processes"}[r]
}

// Excess describes the limit that a program exceeded.
type Excess struct {
	Program  string
	Resource Resource
	Limit    int64 // bytes, nanoseconds or a number
	Exit     error // how it ended, where that showed the excess; may be nil
}

func (e *Excess) Unwrap() error { return e.Exit }

func (e *Excess) Error() string {
	switch e.Resource {
	case Memory:
		return fmt.Sprintf("%s needs more than %s of memory", e.Program, formatBytes(e.Limit))
	case CPU:
		return fmt.Sprintf("%s computed for more than %v", e.Program, formatTime(e.Limit))
	case Wall:
		return fmt.Sprintf("%s ran for more than %v", e.Program, formatTime(e.Limit))
	case FileSize:
		return fmt.Sprintf("%s would write a file of more than %s", e.Program, formatBytes(e.Limit))
	case Written:
		return fmt.Sprintf("%s wrote more than %s", e.Program, formatBytes(e.Limit))
	case OpenFiles:
		return fmt.Sprintf("%s opened more than %d files", e.Program, e.Limit)
	}
	return fmt.Sprintf("%s started more than %d processes", e.Program, e.Limit)
}

func formatBytes(n int64) string {
	if n < 10e9 {
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.0f GB", float64(n)/1e9)
}

func formatTime(n int64) time.Duration { return time.Duration(n).Round(time.Second) }

// Hints of an excess.
const (
	// unsupportedHint follows a limit that was derived from what the source declares.
	unsupportedHint = "the limit follows from the size, length and rates that the source declares, and no ordinary source reaches it"
	memoryHint      = "give the worker more memory, or run fewer units at once"
	diskHint        = "free some disk space, or choose another scratch folder"
	timeHint        = "a larger worker may do it in time"
)

// Exceeded returns the error of a program that exceeded its limit of a resource. exit is how it ended,
// if that showed the excess; may be nil.
func (l Limits) Exceeded(program string, r Resource, exit error) error {
	e := &fault.Error{
		Kind: fault.Unsupported, Hint: unsupportedHint,
		Err: &Excess{Program: program, Resource: r, Limit: l.values()[r], Exit: exit},
	}
	if !l.machine[r] {
		return e
	}
	switch r {
	case CPU, Wall:
		e.Kind, e.Hint = fault.OutOfTime, timeHint
	case Memory:
		e.Kind, e.Hint = fault.OutOfSpace, memoryHint
	default:
		e.Kind, e.Hint = fault.OutOfSpace, diskHint
	}
	return e
}

// watchInterval is how often a program's use is looked at: see Options. A fast disk takes 200 MB in that time.
const watchInterval = 100 * time.Millisecond

// reservedMemory is by how much the address space may exceed twice the private memory: a dynamically
// linked ffmpeg maps 300 MiB of libraries, and glibc reserves 64 MiB for each of up to 100 threads.
const reservedMemory = 8 << 30
