package lambdafn

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/origin"
)

// Settings are what infra passes to a function or a Batch job through its environment.
type Settings struct {
	Table   string        // MAPREEL_TABLE: the ledger's
	Scratch string        // MAPREEL_SCRATCH: the folder for artifacts; "" where they lie in Bucket
	Bucket  string        // MAPREEL_ITEMS: the scratch bucket, where the Distributed Map reads its items
	Queues  engine.Queues // MAPREEL_BATCH: "none", "cpu" or "cpu,gpu"
	Bus     string        // MAPREEL_BUS: the event bus that is told what workers make available; "" is none
	Web     []string      // MAPREEL_WEB_SOURCES: roots of the web servers that are read; none where sources lie in S3 alone
	Owners  s3blob.Owners // MAPREEL_ACCOUNT and MAPREEL_BUCKET_ACCOUNTS: whose the buckets must be; "" is anybody's

	Limits   engine.Limits   // MAPREEL_LIMITS, as JSON; "" is none
	Lifetime engine.Lifetime // MAPREEL_RUN and MAPREEL_REDRIVE, as time.ParseDuration reads them; "" is none

	Worker Worker

	Processors  int // MAPREEL_PROCESSORS: of the encode function; 0: not known
	Concurrency int // MAPREEL_CONCURRENCY: functions that may run at once; 0: not known
}

// ParseSettings reads the settings from environment variables, as os.Getenv gives them. Its error is of kind Internal,
// because the author of the request can do nothing about it, and names every variable that is wrong.
func ParseSettings(getenv func(string) string) (Settings, error) {
	var s Settings
	var problems []error
	wrong := func(name, what string) {
		if got := getenv(name); got != "" {
			what += fmt.Sprintf(", not %q", got)
		}
		problems = append(problems, fmt.Errorf("%s must be %s", name, what))
	}
	if s.Table = getenv("MAPREEL_TABLE"); s.Table == "" {
		wrong("MAPREEL_TABLE", "the name of the ledger's table")
	}
	if s.Bucket = getenv("MAPREEL_ITEMS"); s.Bucket == "" || strings.Contains(s.Bucket, "/") {
		wrong("MAPREEL_ITEMS", "the name of the scratch bucket")
	}
	s.Scratch = getenv("MAPREEL_SCRATCH")
	switch bucket, remote := strings.CutPrefix(s.Scratch, "s3://"); {
	case remote && bucket == s.Bucket && bucket != "":
		s.Scratch = ""
	case !filepath.IsAbs(s.Scratch):
		wrong("MAPREEL_SCRATCH", "an absolute path, or s3:// and the bucket of MAPREEL_ITEMS")
	}
	switch getenv("MAPREEL_BATCH") {
	case "none":
	case "cpu":
		s.Queues = engine.Queues{CPU: true}
	case "cpu,gpu":
		s.Queues = engine.Queues{CPU: true, GPU: true}
	default:
		wrong("MAPREEL_BATCH", "none, cpu, or cpu,gpu")
	}
	s.Bus = getenv("MAPREEL_BUS")
	var err error
	if s.Web, err = origin.ParseWebRoots(getenv(origin.WebRootsVariable)); err != nil {
		problems = append(problems, fmt.Errorf("%s: %w", origin.WebRootsVariable, err))
	}
	if s.Owners, err = s3blob.ParseOwners(getenv(s3blob.AccountVariable), getenv(s3blob.OwnersVariable)); err != nil {
		problems = append(problems, fmt.Errorf("%s, %s: %w", s3blob.AccountVariable, s3blob.OwnersVariable, err))
	}
	for name, n := range map[string]*int{"MAPREEL_PROCESSORS": &s.Processors, "MAPREEL_CONCURRENCY": &s.Concurrency} {
		value, err := strconv.ParseUint(cmp.Or(getenv(name), "0"), 10, 31)
		if err != nil {
			wrong(name, "a number")
		}
		*n = int(value)
	}
	for name, n := range map[string]*int64{"MAPREEL_VCPUS": &s.Worker.VCPUs, "MAPREEL_GPUS": &s.Worker.GPUs, "MAPREEL_TMP": &s.Worker.Disk} {
		if *n, err = settingOf(getenv, name); err != nil || *n < 0 {
			wrong(name, "a number")
		}
	}
	if text := getenv("MAPREEL_LIMITS"); text != "" && json.Unmarshal([]byte(text), &s.Limits) != nil {
		wrong("MAPREEL_LIMITS", "the limits of workers, as JSON")
	}
	s.Limits.Through = s.Scratch != ""
	for name, d := range map[string]*time.Duration{"MAPREEL_RUN": &s.Lifetime.Run, "MAPREEL_REDRIVE": &s.Lifetime.Redrive} {
		value, err := time.ParseDuration(cmp.Or(getenv(name), "0"))
		if err != nil || value < 0 {
			wrong(name, "a duration, such as 48h")
		}
		*d = value
	}
	return s, fault.Wrap(fault.Internal, errors.Join(problems...), "settings of the deployment")
}
