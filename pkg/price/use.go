package price

// Use is what one attempt at a unit of work used of AWS's services, or of this machine, as its worker knows it. It lies in the
// ledger, one for each attempt, so its JSON is short.
type Use struct {
	Place  Place  `json:"on"`
	Millis int64  `json:"ms"`            // the time that Lambda bills, or that the job held its part of the instance
	CPU    int64  `json:"cpu,omitempty"` // milliseconds of processors that the attempt's programs took
	Arch   string `json:"arch,omitempty"`

	Memory int64 `json:"mb,omitempty"`  // MiB of a function
	Disk   int64 `json:"tmp,omitempty"` // MiB of its /tmp

	CPUs     int64  `json:"cpus,omitempty"` // vCPUs that a Batch job reserves
	GPUs     int64  `json:"gpus,omitempty"`
	Instance string `json:"type,omitempty"` // of its instance; "" where that is not known
	Spot     bool   `json:"spot,omitempty"`

	Requests    int64 `json:"req,omitempty"`   // invocations of a function
	Transitions int64 `json:"steps,omitempty"` // of Step Functions

	Puts   int64 `json:"put,omitempty"` // requests to S3 that write, copy or list
	Gets   int64 `json:"get,omitempty"` // other requests to S3 that cost anything
	In     int64 `json:"in,omitempty"`  // bytes from S3
	Out    int64 `json:"out,omitempty"` // bytes to S3
	Writes int64 `json:"w,omitempty"`   // DynamoDB's request units
	Reads  int64 `json:"r,omitempty"`

	// Helped is how many of the milliseconds the attempt's worker spent on other units after its own: waiting whether one takes far
	// longer than its peers, and trying that a second time.
	Helped int64 `json:"helped,omitempty"`
	// Saved is how many milliseconds longer the attempt would have taken, by what it had done, when it was stopped because a second
	// try was first.
	Saved int64 `json:"saved,omitempty"`

	FilesIn  int64 `json:"fin,omitempty"`  // bytes from EFS, or from a disk
	FilesOut int64 `json:"fout,omitempty"` // bytes to it
}

// Place is what an attempt ran on.
type Place string

// The places.
const (
	OnLambda Place = "lambda"
	OnBatch  Place = "batch"
	Here     Place = "local" // a machine of the user's own, which costs nothing at AWS
)

// includedDisk is how many MiB of /tmp a function has without extra charge.
const includedDisk = 512

// worker is what has a price of its own for its time.
type worker struct {
	place    Place
	arch     string
	instance string
	spot     bool
}

// Sum adds up what attempts used. The zero value is empty.
type Sum struct {
	Attempts int
	CPU      int64 // milliseconds
	Saved    int64 // milliseconds of attempts that second tries made superfluous

	lambda map[string]int64 // MiB-milliseconds, by architecture
	disk   int64            // MiB-milliseconds
	helped map[string]int64 // those of lambda that went to second tries
	vcpus  map[worker]int64 // vCPU-milliseconds
	gpus   map[worker]int64 // GPU-milliseconds
	counts map[ID]int64
	fin    int64
	fout   int64
}

// Add adds what an attempt used.
func (s *Sum) Add(u Use) {
	s.Attempts++
	s.CPU += u.CPU
	s.Saved += u.Saved
	if u.Place == Here {
		return
	}
	if s.counts == nil {
		s.lambda, s.helped, s.vcpus, s.gpus, s.counts = map[string]int64{}, map[string]int64{}, map[worker]int64{}, map[worker]int64{}, map[ID]int64{}
	}
	arch := archOf(u.Arch)
	switch w := (worker{u.Place, arch, u.Instance, u.Spot}); {
	case u.Place == OnLambda:
		s.lambda[arch] += u.Memory * u.Millis
		s.helped[arch] += u.Memory * u.Helped
		s.disk += max(u.Disk-includedDisk, 0) * u.Millis
	case u.GPUs > 0:
		s.gpus[w] += u.GPUs * u.Millis
	default:
		s.vcpus[w] += u.CPUs * u.Millis
	}
	s.counts[LambdaRequests] += u.Requests
	s.counts[Transitions] += u.Transitions
	s.counts[S3Puts] += u.Puts
	s.counts[S3Gets] += u.Gets
	s.counts[DynamoWrites] += u.Writes
	s.counts[DynamoReads] += u.Reads
	s.fin, s.fout = s.fin+u.FilesIn, s.fout+u.FilesOut
}

func archOf(name string) string {
	if name == "arm64" {
		return name
	}
	return "x86_64"
}
