package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// instanceSize is what an instance has: vCPUs, and memory in MiB.
type instanceSize struct{ cpus, memory float64 }

// instanceKinds are families by the beginning of their names, of which the first that matches holds: the memory in GiB for each vCPU, and the
// most vCPUs of an instance. Both are upper bounds of all generations, from the tables of instance types in the EC2 documentation. c3 and c4 are
// left out, because the size of c4.8xlarge does not say how many vCPUs it has.
var instanceKinds = []struct {
	name      *regexp.Regexp
	perCPU    float64
	mostVCPUs float64
}{
	{regexp.MustCompile(`^c5n`), 8. / 3, 72}, // c5n.18xlarge has 192 GiB
	{regexp.MustCompile(`^c[5-9]`), 2, 384},
	{regexp.MustCompile(`^m[3-9]`), 4, 384},
	{regexp.MustCompile(`^r[3-9]`), 8, 384},
	{regexp.MustCompile(`^t[2-4]`), 4, 8},
	{regexp.MustCompile(`^g4dn`), 4, 96},
	{regexp.MustCompile(`^(g5|g6|g6f)(\.|$)`), 4, 192},
	{regexp.MustCompile(`^g6e`), 8, 192},
	{regexp.MustCompile(`^(gr6|gr6f)(\.|$)`), 8, 32},
}

// largestInstance returns a bound of what the instances of a family, or of a type such as m6a.4xlarge, have. ok is false where none is known.
func largestInstance(name string) (size instanceSize, ok bool) {
	const gib = 1024
	for _, kind := range instanceKinds {
		if !kind.name.MatchString(name) {
			continue
		}
		cpus := kind.mostVCPUs
		if _, of, found := strings.Cut(name, "."); found {
			cpus = min(cpus, vcpusOf(of, cpus))
		}
		return instanceSize{cpus, cpus * kind.perCPU * gib}, true
	}
	return instanceSize{}, false
}

// vcpusOf returns how many vCPUs an instance of a size has at most, such as 4xlarge; otherwise where the name does not say it.
func vcpusOf(size string, otherwise float64) float64 {
	const large, xlarge = 2, 4
	switch count, found := strings.CutSuffix(size, "xlarge"); {
	case size == "xlarge":
		return xlarge
	case found:
		if n, err := strconv.ParseFloat(count, 64); err == nil {
			return n * xlarge
		}
	case slices.Contains([]string{"large", "medium", "small", "micro", "nano"}, size):
		return large
	}
	return otherwise
}

// holds reports whether an instance of one of these families may be large enough for a job. The system takes a part of the memory, so a job
// that asks for all of it never starts.
func holds(families []string, job jobSize) bool {
	return slices.ContainsFunc(families, func(name string) bool {
		size, known := largestInstance(name)
		return !known || job.cpus <= size.cpus && job.memory < size.memory
	})
}
