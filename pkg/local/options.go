package local

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/work"
)

// Options say where and how a job runs here. Scratch and Registry are required.
type Options struct {
	Scratch  string        // folder for artifacts and the ledger; made where it is missing
	Registry work.Registry // what can be run; it must be the same when a job is continued
	Jobs     int           // units at once; 0: one per core
	Keep     bool          // keep the artifacts after the job is done
	// Limit is how long a unit may take where this process stands for a Lambda function, as that function's timeout; 0: what
	// the state machine allows. Waiting for a core does not count.
	Limit time.Duration
	// TwinAfter is how long a unit has run at least when it gets a second try side by side, because it takes far longer than its peers
	// took; 0: twinLeast.
	TwinAfter time.Duration
	// Batch are the arguments with which this program calls the function Batch. With them, each attempt at a unit on the
	// Batch route is a process of its own, as it is a container of its own on AWS: a crash there, or the kernel's
	// out-of-memory killer, ends that attempt alone. Without, it runs in this process: for programs that have no such command.
	Batch []string
	// Setup is passed to the function that makes the Registry of such a process.
	Setup json.RawMessage
	// Outputs are the files that the request publishes. No two runs on this machine write one of them at the same time.
	Outputs []string
	// KeepOutputs refuses to replace one of Outputs: before any work, and again when it is published.
	KeepOutputs bool
	// IgnoreSpace starts a job also where it will probably run out of disk space.
	IgnoreSpace bool
	Disk        func(folder string) (Disk, error) // what is free; nil: as the system says

	Log     *slog.Logger // may be nil
	Observe func(Event)  // called from one goroutine at a time; may be nil

	// Execution names the run, and receives its history. The zero value is a run with a name of its own.
	Execution Execution
	// Roots are the folders that a source and an output must lie in, and URLs that they may lie below; empty: anywhere.
	Roots []string
	// Places say how what lies on other machines is found. Receive adds what a request needs.
	Places origin.Settings
}

// Execution identifies a run of the state machine to the outside.
type Execution struct {
	Name          string // "": one that names this process
	ID            string // its ARN; "": Name
	Redrives      int    // how often it was begun again
	Observe       func(asl.Event)
	ObserveMapRun func(asl.MapRun)
}
