package lambdafn

import (
	"cmp"
	"context"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/work"
)

// Worker is what infra gives the worker that this process is, as far as it cannot be seen from inside.
type Worker struct {
	VCPUs int64 // MAPREEL_VCPUS: that a Batch job reserves
	GPUs  int64 // MAPREEL_GPUS: likewise
	Disk  int64 // MAPREEL_TMP: MiB of a function's /tmp
}

// meter measures one invocation of a function, or one Batch job: what its attempt at a unit uses of AWS's services.
type meter struct {
	place   price.Place
	worker  Worker
	files   bool // scratch is a file system
	began   time.Time
	setup   time.Duration // before the first invocation, which Lambda bills with it
	traffic *traffic
	before  counts
	host    func() (instance string, spot bool) // of a Batch job; may wait a moment
}

// start is engine.Engine's Meter.
func (m *meter) start(ctx context.Context, attempt int, needs work.Needs) (context.Context, func(work.Result) price.Use) {
	var programs process.Counter
	return process.WithCounter(ctx, &programs), func(r work.Result) price.Use {
		now := m.traffic.read()
		u := price.Use{
			Place: m.place, Arch: runtime.GOARCH, CPU: programs.CPU().Milliseconds(),
			Transitions: transitions(attempt),
			Puts:        now.puts - m.before.puts, Gets: now.gets - m.before.gets,
			In: now.in - m.before.in, Out: now.out - m.before.out,
			Writes: now.writes - m.before.writes + 1, // and the one that records this
			Reads:  now.reads - m.before.reads,
			Millis: int64((time.Since(m.began) + m.setup + time.Millisecond - 1) / time.Millisecond),
		}
		if m.files {
			u.FilesIn = needs.Load.Joined
			for _, a := range r.Artifacts {
				if a.Key != "" && a.Folder == "" {
					u.FilesOut += a.Size
				}
			}
		}
		if m.place == price.OnLambda {
			u.Requests, u.Disk = 1, m.worker.Disk
			u.Memory, _ = strconv.ParseInt(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 64)
			return u
		}
		u.CPUs, u.GPUs = m.worker.VCPUs, m.worker.GPUs
		u.Instance, u.Spot = m.host()
		return u
	}
}

// unitTransitions is how many transitions the definition makes for a unit that succeeds at once: the start of its child, the state
// that chooses where it runs, and the task. Each further attempt is one more.
const unitTransitions = 3

func transitions(attempt int) int64 {
	if attempt <= 1 {
		return unitTransitions
	}
	return 1
}

// meterFor returns the meter of an invocation or a job that begins now.
func (p *program) meterFor(place price.Place, began time.Time, host func() (string, bool)) *meter {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := &meter{place: place, worker: p.settings.Worker, files: p.settings.Scratch != "", began: began, traffic: &p.traffic, host: host}
	m.setup, p.setup = p.setup, 0
	m.before = p.traffic.read()
	return m
}

// traffic counts the requests of this process to AWS.
type traffic struct {
	mu sync.Mutex
	counts
}

// counts are requests, and bytes of S3. DynamoDB's are in request units, estimated from the sizes of requests and answers.
type counts struct{ puts, gets, in, out, writes, reads int64 }

func (t *traffic) read() counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// The sizes of DynamoDB's request units (Developer Guide, "Read/write capacity mode").
const (
	writeUnit = 1 << 10
	readUnit  = 4 << 10
)

// add counts a request that was answered.
func (t *traffic) add(service, operation string, sent, received int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sent, received = max(sent, 0), max(received, 0) // -1: not known
	switch service {
	case "S3":
		t.in, t.out = t.in+received, t.out+sent
		switch operation {
		case "DeleteObject", "DeleteObjects", "AbortMultipartUpload": // cost nothing
		case "PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload",
			"ListObjectsV2", "ListObjects", "ListParts", "ListMultipartUploads":
			t.puts++
		default:
			t.gets++
		}
	case "DynamoDB":
		switch operation {
		case "GetItem", "BatchGetItem", "Query", "Scan":
			t.reads += max(1, (received+readUnit-1)/readUnit)
		default: // an update answers with the item as it is then, by whose size it is charged
			t.writes += max(1, (max(sent, received)+writeUnit-1)/writeUnit)
		}
	}
}

// settingOf returns a count from the environment; 0 where it is not given.
func settingOf(getenv func(string) string, name string) (int64, error) {
	return strconv.ParseInt(cmp.Or(getenv(name), "0"), 10, 32)
}
