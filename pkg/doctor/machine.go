package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// MachineOptions say what to examine. Find and Scratch are required.
type MachineOptions struct {
	Find    func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error)
	Scratch string // absolute path of the folder for intermediate files; it need not exist
	System  fs.FS  // the root of the file system, for /proc and /sys; nil: the machine's own
	Cores   int    // of the machine; 0: as the system says
	Usable  int    // of those, by the limits of this process; 0: as the Go runtime says
}

// Machine examines this machine: ffmpeg and its encoders, cores and memory, and the scratch folder.
func Machine(ctx context.Context, o MachineOptions) Report {
	if o.System == nil {
		o.System = os.DirFS("/")
	}
	if o.Cores == 0 {
		o.Cores = runtime.NumCPU()
	}
	if o.Usable == 0 {
		o.Usable = runtime.GOMAXPROCS(0) // respects the quota of a cgroup
	}
	var r Report
	r.examineFFmpeg(ctx, o.Find)
	r.examineCores(o)
	r.examineMemory(o)
	r.examineScratch(ctx, o.Scratch)
	return r
}

// examineCores compares the machine's cores, which select the default of --jobs, with what this process may use.
func (r *Report) examineCores(o MachineOptions) {
	if o.Usable < o.Cores {
		r.add("cores", Warning, fmt.Sprintf("%d, but this process may use %d of them at once", o.Cores, o.Usable),
			fmt.Sprintf("a limit of the container or GOMAXPROCS; transcode --jobs %d starts no more encoders than that", o.Usable))
		return
	}
	r.add("cores", OK, fmt.Sprintf("%d: as many segments are encoded at once", o.Cores), "")
}
