// Package doctor examines whether mapreel can work in a place, and says what is missing and how to get it.
//
//	report := doctor.Machine(ctx, doctor.MachineOptions{Find: ffmpeg.Find, Scratch: "/var/tmp/mapreel"})
//	for _, c := range report {
//		fmt.Println(c.Level, c.Name, c.Text, c.Hint)
//	}
//
// A check changes nothing: what it creates to try something, it removes.
package doctor

import (
	"slices"
)

// Level says how serious the result of a check is.
type Level string

const (
	OK      Level = "ok"
	Warning Level = "warning" // mapreel works, but something will be slower, smaller or missing
	Failure Level = "error"   // mapreel cannot work, or not as it is set
)

// Check is the result of one check.
type Check struct {
	Name  string `json:"name"` // what was examined: "ffmpeg", "scratch"
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"` // what to do; empty where nothing need be done
}

// Report lists the results in the order in which people should read them.
type Report []Check

// Failed reports whether any check is a Failure.
func (r Report) Failed() bool {
	return slices.ContainsFunc(r, func(c Check) bool { return c.Level == Failure })
}

// add appends a check.
func (r *Report) add(name string, level Level, text, hint string) {
	*r = append(*r, Check{name, level, text, hint})
}
